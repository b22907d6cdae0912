"""What a run of translations does not have: found before anything else happens."""

from collections.abc import Iterator

from ._check_jax import INSIDE
from ._config import Config


def in_translation(config: Config) -> Iterator[str]:
    """A message for each value that is of other networks."""
    if config.task.name != "translation":
        return
    if config.host not in ("kd", "labels"):
        yield (
            f"host = {config.host!r} with task.name = 'translation', needed 'kd' or 'labels' there, because the others are of "
            f"one stack of layers and one answer an example; take one of these"
        )
    clashes = {f"kd.{name} above 0": (config.host == "kd" and getattr(config.kd, name) > 0, "0") for name in INSIDE}
    clashes |= {
        "training.backend = 'jax'": (config.training.backend == "jax", "'torch'"),
        "student.kind": (config.student.kind is not None, "none"),
        "student.kronecker": (config.student.kronecker is not None, "none"),
        "student.compact": (config.student.compact is not None, "none"),
    }
    for what, (there, needed) in clashes.items():
        if there:
            yield (
                f"{what} with task.name = 'translation', needed {needed} there, because it is not written for an encoder and a "
                f"decoder; leave it out"
            )
