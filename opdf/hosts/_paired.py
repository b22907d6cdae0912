"""Mean-squared error between the student's weights and the teacher's: L_Aux without tensors."""

import torch
from torch import Tensor, nn

from tensornet import TensorNetError

from ..models.networks import layers
from ._groups import groups


class PairedWeights:
    """The matrix of each linear layer inside the student's layers, and that of its name in the teacher's layer.

    That layer is the last of its group that has one: the layer itself, but for the merging of a hierarchical network.
    raises: TensorNetError for matrices without a partner, or of another shape
    """

    def __init__(self, student: nn.Module, teacher: nn.Module) -> None:
        ours, theirs = _matrices(student), _matrices(teacher)
        self.pairs: list[tuple[Tensor, Tensor]] = []
        for i, group in enumerate(groups(student, teacher)):
            for name, w in ours[i].items():
                target = next((theirs[j][name] for j in reversed(group) if name in theirs[j]), None)
                if target is None or target.shape != w.shape:
                    other = "nothing" if target is None else f"{tuple(target.shape)}"
                    raise TensorNetError(
                        f"kd: weights are to be compared, but {name} of layer {i} is {tuple(w.shape)} and {other} in the "
                        f"teacher's layer {group[-1]}, needed equal shapes, because entry is compared with entry; leave "
                        f"kd.weights out, or take a student as wide as its teacher"
                    )
                self.pairs.append((w, target.detach()))

    def distance(self) -> Tensor:
        """Σ_W MSE(W_s, W_t): a sum over pairs, as L_Aux is one."""
        return torch.stack([((w - target) ** 2).mean() for w, target in self.pairs]).sum()


def _matrices(model: nn.Module) -> list[dict[str, Tensor]]:
    """For each layer: name inside it → weight of a linear layer."""
    return [{n: m.weight for n, m in layer.named_modules() if isinstance(m, nn.Linear)} for layer in layers(model)]
