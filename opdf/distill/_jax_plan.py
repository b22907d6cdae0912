"""Which weights of a student are trained as factors, in JAX: its names and shapes are PyTorch's, and so is the plan."""

from functools import partial

import tensornet as tn

from ..models.jax_networks import Network
from ._config import Opdf
from ._planned import planned


def plan_of(student: Network, opdf: Opdf, teacher: Network | None = None) -> tn.Plan:
    """The plan of the student's weights, jointly with a teacher that they are aligned with; see `planned`."""
    theirs = None if teacher is None else _matrices(teacher)
    plan = planned(partial(tn.plan, student.shapes, linear=student.linear), opdf, _matrices(student), theirs)
    return plan.aligned(theirs, opdf.pairs) if opdf.alignment and theirs else plan


def _matrices(network: Network) -> dict[str, tuple[int, ...]]:
    return {name: shape for name, shape in network.shapes.items() if len(shape) == 2}
