"""Which weights of a student are trained as factors, jointly with a teacher of other widths where they are aligned."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from torch import nn

import tensornet as tn
import tensornet_torch as tnt

from ..hosts._groups import groups
from ..models._image import ImageNetwork
from ._config import Opdf
from ._planned import planned


def plan_of(student: nn.Module, opdf: Opdf, teacher: nn.Module | None = None) -> tn.Plan:
    """The plan of the student's weights, jointly with a teacher that they are aligned with; see `planned`."""
    plan, ours = partial(tnt.plan, student), _matrices(student)
    if teacher is None:
        return planned(plan, opdf, ours)
    return planned(plan, opdf, ours, _matrices(teacher), lambda found: pairs_of(student, opdf, teacher, found))


def pairs_of(student: nn.Module, opdf: Opdf, teacher: nn.Module, planned: Iterable[str]) -> Any:
    """What `Alignment(pairs=…)` takes: the rule, or, where both networks have stages, names by stage of what is planned.

    A weight that not all layers have, as the merging of a stage's first block, goes to the one of its group that has it.
    """
    if opdf.pairs != "uniform" or not (_staged(student) and _staged(teacher)):
        return opdf.pairs
    theirs, found = set(_matrices(teacher)), {}
    by_layer = groups(student, teacher)
    for name in planned:
        head, *rest = name.split(".")
        if head == "blocks":
            candidates = [".".join([head, str(j), *rest[1:]]) for j in reversed(by_layer[int(rest[0])])]
            found[name] = next((other for other in candidates if other in theirs), None)
        else:
            found[name] = name
    return found


def _staged(network: nn.Module) -> bool:
    return isinstance(network, ImageNetwork) and network.architecture.kind == "hierarchical"


def _matrices(model: nn.Module) -> Mapping[str, Any]:
    return {name: tuple(p.shape) for name, p in model.named_parameters() if p.ndim == 2}
