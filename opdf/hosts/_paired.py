"""Mean-squared error between the student's weights and the teacher's: L_Aux without tensors."""

import torch
from torch import Tensor, nn

from tensornet import TensorNetError

from ..models.networks import layers
from ._groups import groups


class PairedWeights:
    """The matrix of each linear layer inside the student's layers, and that of its name in the teacher's layer.

    That layer is the last of its group that has one: the layer itself, but for the merging of a hierarchical network.
    outside  compare linear layers outside of them as well, by their names
    raises: TensorNetError for matrices without a partner, or of another shape
    """

    def __init__(self, student: nn.Module, teacher: nn.Module, outside: bool = False) -> None:
        self.pairs: list[tuple[Tensor, Tensor]] = []
        ours, theirs = ([_matrices(layer) for layer in layers(network)] for network in (student, teacher))
        for i, group in enumerate(groups(student, teacher)):
            for name, w in ours[i].items():
                target = next((theirs[j][name] for j in reversed(group) if name in theirs[j]), None)
                self._pair(f"{name} of layer {i}", w, target)
        if outside:
            around = _outside(teacher)
            for name, w in _outside(student).items():
                self._pair(name, w, around.get(name))

    def _pair(self, name: str, w: Tensor, target: Tensor | None) -> None:
        if target is None or target.shape != w.shape:
            other = "nothing" if target is None else str(tuple(target.shape))
            raise TensorNetError(
                f"kd: weights are to be compared, but {name} is {tuple(w.shape)} and {other} in the teacher, needed equal "
                f"shapes, because entry is compared with entry; leave kd.weights out, or take a student as wide as its teacher"
            )
        self.pairs.append((w, target.detach()))

    def distance(self) -> Tensor:
        """Σ_W MSE(W_s, W_t): a sum over pairs, as L_Aux is one."""
        return torch.stack([((w - target) ** 2).mean() for w, target in self.pairs]).sum()


def _matrices(module: nn.Module) -> dict[str, Tensor]:
    """Name inside it → weight of a linear layer."""
    return {name: m.weight for name, m in module.named_modules() if isinstance(m, nn.Linear)}


def _outside(model: nn.Module) -> dict[str, Tensor]:
    inside = {id(w) for layer in layers(model) for w in _matrices(layer).values()}
    return {name: w for name, w in _matrices(model).items() if id(w) not in inside}
