"""The plan of a run, in any framework."""

from collections.abc import Callable, Mapping
from typing import Any

import tensornet as tn
from tensornet import TensorNetError
from tensornet._errors import some
from tensornet.planning import joint_formats, pair_names

from ..losses import Schedule
from ._config import Opdf


def planned(
    plan: Callable[..., tn.Plan],
    opdf: Opdf,
    ours: Mapping[str, Any],
    theirs: Mapping[str, Any] | None = None,
    pairs: Callable[[tn.Plan], Any] | None = None,
) -> tn.Plan:
    """The plan of the student's weights.

    plan    (rules, **options) → plan, of the student
    opdf    "layers" among its rules is every linear weight inside a numbered layer, as in the paper
    ours    its matrices, name → shape
    theirs  those they are aligned with: weights of another shape than their partner's get factors that both can have
    pairs   plan → what `Alignment(pairs=…)` takes; opdf.pairs by default
    raises: TensorNetError if a rule matches nothing, or a pair cannot be aligned
    """
    found = plan(_rules(plan, opdf), cores=opdf.cores, layout=opdf.layout)
    if not opdf.alignment or theirs is None:
        return found
    partners = pair_names(list(ours), list(theirs), pairs(found) if pairs else opdf.pairs, list(found))
    unequal = {name: theirs[other] for name, other in partners.items() if theirs[other] != ours[name]}
    if not unequal:
        return found
    if opdf.layout != "outer":
        raise TensorNetError(
            f"opdf distill: opdf.layout = {opdf.layout!r}, and {some(list(unequal))} of other shapes than in the teacher, "
            f"needed 'outer', because factors that both can have are laid out so; take that, a student of the teacher's "
            f"widths, or opdf.alignment = 0"
        )
    formats = dict(found) | {n: joint_formats(ours[n], shape, cores=opdf.cores)[0] for n, shape in unequal.items()}
    return plan(lambda name, _: formats.get(name))


def alignment_weight(opdf: Opdf, steps: int) -> float | Schedule:
    """λ of the alignment loss, at each of `steps` if it moves."""
    if opdf.alignment_end is None:
        return opdf.alignment
    return Schedule(opdf.alignment, opdf.alignment_end, max(1, steps - 1))


def _rules(plan: Callable[..., tn.Plan], opdf: Opdf) -> Any:
    if opdf.rules == ("layers",):
        return [name for name in plan("all-linear") if any(part.isdigit() for part in name.split("."))]
    return "all-linear" if opdf.rules == ("all-linear",) else dict.fromkeys(opdf.rules, "mpo")
