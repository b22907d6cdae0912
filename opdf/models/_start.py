"""A student that starts from its teacher's layers."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from tensornet import TensorNetError
from tensornet.planning import layer_map

from ._hierarchical import stages
from ._image import ImageNetwork
from ._outputs import layers


def layer_pairs(student: nn.Module, teacher: nn.Module, how: Any = "uniform") -> tuple[int, ...]:
    """For each of the student's layers its layer of the teacher, as `tensornet.planning.layer_map`; stage by stage where both
    networks are hierarchical.

    raises: TensorNetError for a teacher (or a stage of it) of fewer layers than the student's
    """
    theirs = [_stages(network) for network in (student, teacher)]
    if len(theirs[0]) != len(theirs[1]):
        theirs = [(sum(counts),) for counts in theirs]
    pairs: tuple[int, ...] = ()
    passed = 0
    for n, total in zip(*theirs, strict=True):
        pairs += tuple(passed + j for j in layer_map(n, total, how) if j is not None)
        passed += total
    return pairs


def copy_layers(student: nn.Module, teacher: nn.Module, how: Any) -> None:
    """The student's weights become the teacher's: embeddings and head as they are, layers by `layer_pairs`.

    raises: TensorNetError where shapes differ
    """
    own, theirs = student.state_dict(), teacher.state_dict()
    inside, of_teacher = _path(student), _path(teacher)
    source = {name: name for name in own if not name.startswith(inside)}
    for i, j in enumerate(layer_pairs(student, teacher, how)):
        before, after = f"{inside}{i}.", f"{of_teacher}{j}."
        source |= {name: after + name.removeprefix(before) for name in own if name.startswith(before)}
    source |= _mergings(own, theirs)
    unlike = [n for n, t in own.items() if source[n] not in theirs or theirs[source[n]].shape != t.shape]
    if unlike:
        raise TensorNetError(
            f"student: {unlike[0]} and {len(unlike) - 1} more are of other shapes than the teacher's, needed the same, because "
            f"they start as copies; take start='random' for another width or family of networks"
        )
    student.load_state_dict({name: theirs[source[name]] for name in own})


def _stages(network: nn.Module) -> tuple[int, ...]:
    if isinstance(network, ImageNetwork) and network.architecture.kind == "hierarchical":
        return stages(network.architecture)
    return (len(layers(network)),)


def _path(network: nn.Module) -> str:
    found = layers(network)
    return next(f"{name}." for name, module in network.named_modules() if module is found)


def _mergings(own: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> dict[str, str]:
    """The merging of a stage is in its first block, whichever block that one is a copy of."""

    def merging(names: Mapping[str, Tensor]) -> list[str]:
        first = next((n.removesuffix("merge.weight") for n in names if n.endswith(".merge.weight")), None)
        return [first + part for part in ("merge.weight", "merge.bias", "positions")] if first else []

    return dict(zip(merging(own), merging(theirs), strict=False))
