"""What a run in JAX does not have: found before anything else happens."""

from collections.abc import Iterator

from ._config import Config

INSIDE = ("hidden", "attention", "ffn", "embedding", "weights")


def in_jax(config: Config) -> Iterator[str]:
    """A message for each value that needs PyTorch."""
    if config.training.backend != "jax":
        return
    if config.host not in ("kd", "labels"):
        yield (
            f"host = {config.host!r} with training.backend = 'jax', needed 'kd' or 'labels' there, because the others are "
            f"written for PyTorch's modules; take training.backend = 'torch'"
        )
    if config.training.precision != "float32":
        yield (
            f"training.precision = {config.training.precision!r} with training.backend = 'jax', needed 'float32' there, "
            f"because it is PyTorch's autocast; take training.matmul = 'medium', or training.backend = 'torch'"
        )
    for name in INSIDE:
        if config.host == "kd" and (weight := getattr(config.kd, name)) > 0:
            yield (
                f"kd.{name} = {weight} with training.backend = 'jax', needed 0 there, because in JAX the student learns from "
                f"labels and logits alone, and PyTorch's modules are what is looked into; leave it out, or take "
                f"training.backend = 'torch'"
            )
    kinds = {
        "student.kind": config.student.kind,
        "teacher.kind": None if config.teacher.source else config.teacher.kind,
    }
    for key, kind in kinds.items():
        if kind not in (None, "residual"):
            yield (
                f"{key} = {kind!r} with training.backend = 'jax', needed 'residual' there, because the others are written for "
                f"PyTorch; take training.backend = 'torch'"
            )
