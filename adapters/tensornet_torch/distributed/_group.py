"""Many processes, each of which owns the factors of some weights."""

from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

import tensornet as tn
from tensornet import TensorNetError

from .._exchange import Exchange, Make, local
from ._owners import assign
from ._pieces import Pieces

T = TypeVar("T")
Messages = list[tuple[Any, Tensor, int]]  # isend or irecv, what, and the other process


class Group(Exchange):
    """Gradients go to the owner, weights come back, piece by piece, as messages between two processes each.

    What FSDP2 has sharded moves once to its owner and once back: (N − 1)/N of a weight each way, where FSDP2 itself moves
    N − 1 of it for one reduce-scatter or one all-gather. What DDP has reduced is at the owner already; N − 1 copies of the
    weight come back, half of what DDP's all-reduce moves.
    """

    recovers = False

    def __init__(
        self, parameters: Mapping[str, nn.Parameter], plan: tn.Coordinated[Any], group: dist.ProcessGroup
    ) -> None:
        self.parameters, self.group = parameters, group
        self.ranks, self.rank = dist.get_process_group_ranks(group), dist.get_rank()
        self.owners = {name: self.ranks[k] for name, k in assign(plan, len(self.ranks)).items()}
        self.mine = tuple(n for n, owner in self.owners.items() if owner == self.rank)
        self.pieces = {name: Pieces.of(name, p, self.ranks) for name, p in parameters.items()}
        owned = [[n for n in self.owners if self.owners[n] == rank] for rank in self.ranks]
        self.rounds = tuple(tuple(n for n in names if n) for names in zip_longest(*owned))
        self.device = local(next(iter(parameters.values()))).device

    def weights(self) -> dict[str, Tensor]:
        return self._to_owners({name: local(p.detach()) for name, p in self.parameters.items()})

    def gradients(self, names: Sequence[str]) -> dict[str, Tensor]:
        return self._to_owners({name: local(_placed(self.parameters[name])) for name in names})

    def _to_owners(self, held: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The whole of what each process holds a piece of, at its owner."""
        messages: Messages = []
        arrivals, wholes = [], {}
        for name, piece in held.items():
            pieces, owner = self.pieces[name], self.owners[name]
            sources = pieces.sources(owner)
            if owner == self.rank and not sources:
                wholes[name] = piece
            elif owner == self.rank:
                whole = wholes[name] = piece.new_empty(self.parameters[name].shape)
                pieces.of_rank(whole, owner).copy_(piece)
                for source in sources:
                    place = pieces.of_rank(whole, source)
                    arrivals.append((place, torch.empty_like(place, memory_format=torch.contiguous_format)))
                    messages.append((dist.irecv, arrivals[-1][1], source))
            elif self.rank in sources:
                messages.append((dist.isend, piece.contiguous(), owner))
        self._deliver(messages)
        for place, buffer in arrivals:
            place.copy_(buffer)
        return wholes

    def write(self, names: Sequence[str], made: Make) -> None:
        messages: Messages = []
        arrivals = []
        mine = [n for n in names if n in self.mine]
        wholes = self.together(lambda: {n: w.to(self.parameters[n].dtype) for n, w in made(mine)})
        for name in names:
            pieces, owner, piece = self.pieces[name], self.owners[name], local(self.parameters[name])
            if owner == self.rank:
                whole = wholes.pop(name)
                piece.copy_(pieces.of_rank(whole, owner))
                others = [rank for rank in self.ranks if rank != owner]
                messages += [(dist.isend, pieces.of_rank(whole, rank).contiguous(), rank) for rank in others]
            else:
                buffer = (
                    piece if piece.is_contiguous() else torch.empty_like(piece, memory_format=torch.contiguous_format)
                )
                arrivals.append((piece, buffer))
                messages.append((dist.irecv, buffer, owner))
        self._deliver(messages)
        for piece, buffer in arrivals:
            if buffer is not piece:
                piece.copy_(buffer)
            torch.autograd.graph.increment_version(piece)  # a message leaves it alone

    def _deliver(self, messages: Messages) -> None:
        full = [dist.P2POp(way, tensor, rank, self.group) for way, tensor, rank in messages if tensor.numel()]
        for request in dist.batch_isend_irecv(full) if full else ():
            request.wait()

    def gathered(self, tensor: Tensor) -> Tensor:
        mine = tensor.to(self.device)
        theirs = [torch.empty_like(mine) for _ in self.ranks]
        dist.all_gather(theirs, mine, group=self.group)
        return torch.stack(theirs)

    def answers(self, flags: Sequence[bool]) -> list[set[bool]]:
        return [set(said) for said in self.gathered(torch.tensor(flags)).T.tolist()]

    def same(self, settings: Mapping[str, str]) -> None:
        """Also the first collective of the group, which NCCL wants all processes to take part in."""
        said: list[Mapping[str, str]] = [{}] * len(self.ranks)
        dist.all_gather_object(said, dict(settings), group=self.group)
        for key, mine in settings.items():
            others = [rank for rank, theirs in zip(self.ranks, said, strict=True) if theirs[key] != mine]
            if others:
                raise TensorNetError(
                    f"overparameterize: {key} is another on process {others[0]} than on process {self.rank}, needed the same "
                    f"on all, because each says by it who owns what and what is sent; make it alike, a plan from a list in "
                    f"one order (a set has none)"
                )

    def together(self, work: Callable[[], T]) -> T:
        result, error = _tried(work)
        (answers,) = self.answers([error is None])
        if error:
            raise error
        if False in answers:
            raise TensorNetError(
                "overparameterize: another process of the group failed in this step, and says there what happened; what the "
                "step has left here is nothing to go on from; call load_state_dict(), or resync(), on every process"
            )
        return result

    def agreed(self, work: Callable[[], T]) -> T:
        result, error = _tried(work)
        said: list[str | None] = [None] * len(self.ranks)
        dist.all_gather_object(said, error and f"{type(error).__name__}: {error}", group=self.group)
        if error:
            raise error
        others = [f"process {rank} says {text}" for rank, text in zip(self.ranks, said, strict=True) if text]
        if others:
            raise TensorNetError("overparameterize: " + "; ".join(others))
        return result


def _tried(work: Callable[[], T]) -> tuple[Any, Exception | None]:
    """What it returned, or what it raised: the others are told before it is raised here."""
    try:
        return work(), None
    except Exception as error:
        return None, error


def _placed(parameter: Any) -> Tensor:
    """Its gradient, in the same pieces as itself."""
    gradient: Any = parameter.grad
    same = getattr(gradient, "placements", None) == getattr(parameter, "placements", None)
    return gradient if same else gradient.redistribute(placements=parameter.placements)
