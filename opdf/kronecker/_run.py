"""What `opdf distill` does for a student of Kronecker products: made before training, exported after it."""

from pathlib import Path
from typing import Any

from torch import nn

import tensornet_torch as tnt

from ..models import Student
from ..tasks import Task
from ._search import searched
from ._student import gone_on


def compressed(student: nn.Module, spec: Student) -> nn.Module:
    """The student with factors for weights, where that is asked for; for training.

    raises: TensorNetError as `searched` and `gone_on` do
    """
    if spec.compact is not None:
        return gone_on(spec.compact, student)
    return student if spec.kronecker is None else tnt.compress(student, searched(student, spec.kronecker))


def exported(student: nn.Module, folder: Path, task: Task) -> dict[str, Any]:
    """`student`, the dense model, into `folder`; of one with factors also `compact`, and for the summary what both take."""
    from ..models.networks import save

    if not any(isinstance(module, tnt.Factorized) for module in student.modules()):
        save(student, folder / "student", task)
        return {}
    dense = tnt.dense(student)
    save(dense, folder / "student", task)
    save(student, folder / "compact", task)  # its own save_pretrained, as of any model of Transformers
    weights = {"dense": folder / "student", "compact": folder / "compact"}
    return {
        "bytes": {name: sum(f.stat().st_size for f in of.glob("*.safetensors")) for name, of in weights.items()},
        "dense_parameters": sum(p.numel() for p in dense.parameters()),
    }
