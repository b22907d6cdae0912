"""What Weight Distillation cannot be joined with: found before anything else happens."""

from collections.abc import Iterator

from ._config import Config


def in_generators(config: Config) -> Iterator[str]:
    """A message for each value that does not go with generated weights."""
    if not config.generator.on:
        return
    clashes = {
        "opdf.on = true": (config.opdf.on, "a weight is made of tensors or of a teacher's weights, not of both"),
        f"host = {config.host!r}": (
            config.host not in ("kd", "labels"),
            "the others choose for themselves what of the student is trained; 'kd' and 'labels' train it whole",
        ),
        "a student of Kronecker products": (
            config.student.kronecker is not None or config.student.compact is not None,
            "its weights are factors already",
        ),
        f"a hierarchical student of {config.student.layers} layers from {config.teacher.depth}": (
            (config.student.kind or config.teacher.kind) == "hierarchical"
            and config.teacher.source is None
            and config.student.layers != config.teacher.depth,
            "layers of two stages, with a merge between them, are not counted alike in a deeper teacher",
        ),
    }
    for what, (there, why) in clashes.items():
        if there:
            yield f"{what} with generator.on = true, needed otherwise, because {why}; change it, or leave generator out"
