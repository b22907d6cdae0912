"""A student that starts from its teacher's layers."""

from torch import nn

from tensornet import TensorNetError
from tensornet.planning import layer_map
from tensornet.planning._layers import LayerMap

from ._hierarchical import Merging, stages
from ._image import ImageNetwork
from ._outputs import layers


def layer_pairs(student: nn.Module, teacher: nn.Module, how: LayerMap = "uniform") -> tuple[int, ...]:
    """For each of the student's layers its layer of the teacher, by one of `tensornet.planning.layer_map`'s rules; stage by
    stage where both networks are hierarchical.

    raises: TensorNetError for a teacher (or a stage of it) of fewer layers than the student's
    """
    mine, theirs = _stages(student), _stages(teacher)
    if len(mine) != len(theirs):
        mine, theirs = (sum(mine),), (sum(theirs),)
    pairs: list[int] = []
    passed = 0
    for n, total in zip(mine, theirs, strict=True):
        if n > total:
            raise TensorNetError(
                f"student: {n} layers for {total} of the teacher's{' in one stage' * (len(mine) > 1)}, needed as many at most, "
                f"because each has a layer of its own to start from; set student.layers, or take a deeper teacher"
            )
        pairs += [passed + j for j in layer_map(n, total, how) if j is not None]
        passed += total
    return tuple(pairs)


def copy_layers(student: nn.Module, teacher: nn.Module, how: LayerMap) -> None:
    """The student's weights become the teacher's: layers by `layer_pairs`, all else as it is. All shapes must be the same.

    raises: as `layer_pairs`
    """
    copy_around(student, teacher)
    own, theirs = layers(student), layers(teacher)
    # merging stays in the first block of its stage, whichever block that one copies
    merging = {n: w for layer in theirs if isinstance(layer, Merging) for n, w in layer.merging().items()}
    for layer, j in zip(own, layer_pairs(student, teacher, how), strict=True):
        copied = theirs[j].state_dict()
        layer.load_state_dict(copied | merging if isinstance(layer, Merging) else copied)


def copy_around(student: nn.Module, teacher: nn.Module) -> None:
    """All of the student but its layers becomes the teacher's; those shapes must be the same."""
    own = layers(student)
    path = next(f"{name}." for name, module in student.named_modules() if module is own)
    state = student.state_dict()
    state |= {name: w for name, w in teacher.state_dict().items() if not name.startswith(path)}
    student.load_state_dict(state)


def _stages(network: nn.Module) -> tuple[int, ...]:
    if isinstance(network, ImageNetwork) and network.architecture.kind == "hierarchical":
        return stages(network.architecture)
    return (len(layers(network)),)
