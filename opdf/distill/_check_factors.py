"""What a student of Kronecker products cannot be joined with: found before anything else happens."""

from collections.abc import Iterator
from pathlib import Path

from tensornet.files._folder import weight_files

from ..models import Student
from ._config import Config


def in_factors(config: Config) -> Iterator[str]:
    """A message for each value that needs dense weights."""
    student = config.student
    if student.kronecker is None and student.compact is None:
        return
    if student.kronecker is not None and student.compact is not None:
        yield (
            f"student.kronecker = {student.kronecker:g} and student.compact are both given, needed one, because a compact "
            f"folder has shapes of its own; leave one out"
        )
    if student.compact is not None and student.start != "teacher":
        yield (
            f"student.start = {student.start!r} with student.compact, needed 'teacher', because its weights are those of the "
            f"folder, and its head is the teacher's; leave it out"
        )
    if student.compact is not None and student.layer_map != Student().layer_map:
        yield (
            f"student.layer_map = {student.layer_map!r} with student.compact, needed none, because its layers are those of the "
            f"folder; leave it out"
        )
    clashes = {
        "opdf.on = true": (config.opdf.on, "its weights are factors already"),
        f"host = {config.host!r}": (config.host not in ("kd", "labels"), "the others are for dense weights"),
        "kd.weights above 0": (
            config.host == "kd" and config.kd.weights > 0,
            "it has no weight to pull to its teacher's",
        ),
        "training.backend = 'jax'": (config.training.backend == "jax", "it is made of PyTorch's modules"),
        "task.name = 'fashion_mnist'": (config.task.name == "fashion_mnist", "it is an encoder of texts"),
    }
    for what, (there, why) in clashes.items():
        if there:
            yield (
                f"{what} with a student of Kronecker products, needed otherwise, because {why}; change it, or leave "
                f"student.kronecker and student.compact out"
            )


def check_factors(config: Config) -> None:
    """Before a teacher is made, which may take long, whether the folder is there that its student goes on from."""
    if config.student.compact is not None:
        weight_files(Path(config.student.compact), "student.compact")
