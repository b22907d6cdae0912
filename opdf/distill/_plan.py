"""Which weights of a student are trained as factors, jointly with a teacher of other widths where they are aligned."""

from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn

import tensornet as tn
import tensornet_torch as tnt
from tensornet.planning import joint_formats, pair_names

from ..hosts._groups import groups
from ..models._image import ImageNetwork
from ._config import Opdf

Shape = tuple[int, ...]


def plan_of(student: nn.Module, opdf: Opdf, teacher: nn.Module | None = None) -> tn.Plan:
    """The plan of the student's weights.

    opdf     "layers" among its rules is every linear weight inside a numbered layer, as in the paper
    teacher  what they are aligned with: weights of another shape than their partner's get factors that both can have
    raises: TensorNetError if a rule matches nothing, or a pair cannot be aligned
    """
    options: dict[str, Any] = {"cores": opdf.cores, "layout": opdf.layout}
    plan = tnt.plan(student, _rules(student, opdf), **options)
    if not opdf.alignment or teacher is None:
        return plan
    ours, theirs = _matrices(student), _matrices(teacher)
    pairs = pair_names(list(ours), list(theirs), pairs_of(student, opdf, teacher, plan), list(plan))
    unequal = {name: theirs[other] for name, other in pairs.items() if theirs[other] != ours[name]}
    if not unequal:
        return plan
    formats = dict(plan) | {n: joint_formats(ours[n], shape, cores=opdf.cores)[0] for n, shape in unequal.items()}
    return tnt.plan(student, lambda name, _: formats.get(name))


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


def _rules(student: nn.Module, opdf: Opdf) -> Any:
    if opdf.rules == ("layers",):
        return [name for name in tnt.plan(student) if any(part.isdigit() for part in name.split("."))]
    return "all-linear" if opdf.rules == ("all-linear",) else dict.fromkeys(opdf.rules, "mpo")


def _matrices(model: nn.Module) -> Mapping[str, Any]:
    return {name: tuple(p.shape) for name, p in model.named_parameters() if p.ndim == 2}
