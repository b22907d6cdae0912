"""Which piece of a weight each process holds."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from tensornet import TensorNetError

from .._exchange import is_sharded

Cut = tuple[int, int, int]  # axis, number of chunks, which of them


@dataclass(frozen=True)
class Pieces:
    """Pieces of one weight: the chunks that DTensor gives to each process, or all of it where the weight is replicated.

    cuts  global rank → chunks, one inside the other; none for the whole weight
    """

    cuts: dict[int, tuple[Cut, ...]]

    @staticmethod
    def of(name: str, parameter: Any, ranks: Iterable[int]) -> "Pieces":
        """As torch.distributed.tensor places `parameter` (Shard and Replicate); a plain tensor is whole on each of `ranks`.

        raises: TensorNetError for other placements, and for a mesh of other processes than `ranks`
        """
        ranks = tuple(ranks)
        if not is_sharded(parameter):
            return Pieces(dict.fromkeys(ranks, ()))
        mesh, placements = parameter.device_mesh.mesh, parameter.placements
        strange = [p for p in placements if type(p).__name__ not in ("Shard", "Replicate")]
        if strange or set(mesh.flatten().tolist()) != set(ranks):
            raise TensorNetError(
                f"overparameterize: {name} is placed {placements} on processes {mesh.flatten().tolist()}, needed Shard and "
                f"Replicate on the processes of the group, {list(ranks)}, because its owner must get all of it; pass "
                f"group= with the processes of the mesh, or leave this weight out of the plan"
            )
        at = {int(mesh[tuple(place)]): place for place in (mesh >= 0).nonzero().tolist()}
        return Pieces(
            {
                rank: tuple(
                    (p.dim, n, i) for p, n, i in zip(placements, mesh.shape, at[rank], strict=True) if p.is_shard()
                )
                for rank in ranks
            }
        )

    def of_rank(self, whole: Tensor, rank: int) -> Tensor:
        """The piece of `rank`, a view of the whole weight; empty where there are fewer rows than processes."""
        for axis, chunks, which in self.cuts[rank]:
            size = whole.shape[axis]
            step = -(-size // chunks)  # as torch.chunk cuts: the last ones are shorter, or empty
            begin = min(which * step, size)
            whole = whole.narrow(axis, begin, min(step, size - begin))
        return whole

    def sources(self, owner: int) -> list[int]:
        """Processes that together hold every piece but the owner's, each piece once."""
        first: dict[tuple[Cut, ...], int] = {self.cuts[owner]: owner}
        for rank, cuts in self.cuts.items():
            first.setdefault(cuts, rank)
        return [rank for rank in first.values() if rank != owner]
