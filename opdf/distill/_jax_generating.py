"""Weight Distillation in JAX's runs: the generators of a student, whose names and shapes are PyTorch's."""

import tensornet as tn

from ..models.jax_networks import Network
from ._phases import other_heads


def generators(student: Network, teacher: Network) -> tn.Generators:
    """From which weights of the teacher each of the student is generated. What nothing is multiplied with is a table."""
    tables = {n for n, shape in student.shapes.items() if len(shape) == 2} - {*student.linear}
    heads = other_heads(teacher.sizes.get("heads"), student.sizes.get("heads"))
    return tn.generators(student.shapes, teacher.shapes, tables=tables, heads=heads)
