"""What a configuration sets and its run does not read: in an arm of a sweep that is usual, elsewhere it may be a mistake."""

import dataclasses
import typing
from collections.abc import Iterator

from ..hosts._options import Name
from ..tasks import TaskSpec
from ..tasks._glue import GLUE
from ._config import Config, Translation, tokenizer_of
from ._toml import value_at

Rule = tuple[bool, tuple[str, ...], str]  # whether nobody reads them, keys, why

FACTORS = ("rules", "cores", "layout", "gauge", "lr_transfer")
ALIGNMENT = ("alignment_end", "alignment_gauge", "pairs", "resync_every")
SIZES = ("kind", "depth", "width", "decoder", "feed_forward", "heads", "dropout", "tied")
TRANSLATION = (
    *(f"translation.{field.name}" for field in dataclasses.fields(Translation)),
    *("teacher.decoder", "student.decoder", "teacher.dropout", "teacher.tied"),
)


def idle(config: Config) -> Iterator[str]:
    """A sentence for each value, other than its default, that changes nothing."""
    default = Config(TaskSpec(config.task.name))
    for key, why in unread(config).items():
        if (value := value_at(config, key)) != value_at(default, key):
            yield f"{key} = {value} is not read, because {why}"


def unread(config: Config) -> dict[str, str]:
    """Key → why its value, whatever it is, changes nothing."""
    return {key: why for holds, keys, why in (*_hosts(config), *_rules(config)) if holds for key in keys}


def _hosts(config: Config) -> Iterator[Rule]:
    for name in set(typing.get_args(Name)) - {config.host, "labels"}:
        keys = (f"{name}.{field.name}" for field in dataclasses.fields(getattr(config, name)))
        yield True, tuple(keys), f"the host is {config.host}"


def _rules(config: Config) -> Iterator[Rule]:
    task, teacher, student, kd, opdf = config.task, config.teacher, config.student, config.kd, config.opdf
    made, tuned = teacher.source is None, teacher.epochs > 0
    yield not made, tuple(f"teacher.{key}" for key in SIZES), "teacher.source says what the teacher is"
    yield task.name != "translation", TRANSLATION, "the task is no translation"
    yield task.name == "translation", ("teacher.kind",), "a translation has one kind of network"
    brought = task.name == "translation" and tokenizer_of(config) is not None
    yield brought, ("task.vocabulary",), "task.tokenizer or teacher.source brings a vocabulary"
    yield not tuned, ("teacher.lr", "teacher.whole_train"), "the teacher is not fine-tuned"
    yield tuned and task.train_size is None, ("teacher.whole_train",), "the student has the whole of train too"
    images = ("training.group_by_length", "task.max_length", "task.tokenizer")
    yield task.name == "fashion_mnist", images, "images have no lengths and no words"
    yield (
        student.start != "teacher" and not config.generator.on,
        ("student.layer_map",),
        "the student's layers begin at random",
    )
    number = task.name == "stsb" or task.regression
    yield number and config.host in ("kd", "lgtm", "adkd"), (f"{config.host}.temperature",), "a number is predicted"
    yield config.host == "kd" and not kd.decoupled, ("kd.beta",), "kd.decoupled is off"
    binary = len(GLUE[task.name].label_names) == 2 if task.name in GLUE else False
    yield config.host == "kd" and kd.decoupled and binary, ("kd.beta",), "of two classes there are no others to weigh"
    answers = ("kd.temperature", "kd.decoupled", "kd.beta")
    yield config.host == "kd" and not kd.alpha, answers, "kd.alpha is 0, and so the teacher's answers are left out"
    yield config.host == "kd" and not kd.weights, ("kd.weights_outside",), "kd.weights is 0"
    generator = config.generator
    yield not generator.on, ("generator.start", "generator.share"), "generator.on is false"
    yield generator.on, ("student.start", "student.layer_map"), "generators make all of the student"
    yield not opdf.on, tuple(f"opdf.{key}" for key in (*FACTORS, *ALIGNMENT)), "opdf.on is false"
    yield (
        opdf.on and not opdf.alignment,
        tuple(f"opdf.{key}" for key in ALIGNMENT),
        "opdf.alignment is 0, and so left out",
    )
    rotated = opdf.alignment_gauge == "procrustes"
    yield opdf.on and bool(opdf.alignment) and not rotated, ("opdf.resync_every",), "only procrustes rotates"
