"""Values of a configuration that cannot be run, found before anything else happens."""

import math
from collections.abc import Callable, Iterator
from typing import Any

from tensornet import TensorNetError

from .. import report
from ._check_factors import in_factors
from ._check_generator import in_generators
from ._check_jax import in_jax
from ._check_translation import in_translation
from ._config import Config, is_asked
from ._toml import value_at

Rule = tuple[Callable[[Any], bool], str, str]  # what holds, what is needed, why

POSITIVE: Rule = (lambda x: x > 0, "a number above 0", "nothing is learnt otherwise")
COUNT: Rule = (lambda x: x >= 1, "a whole number ≥ 1", "nothing happens otherwise")
NOT_NEGATIVE: Rule = (lambda x: x >= 0, "a number ≥ 0", "a negative one has no meaning")
SHARE: Rule = (lambda x: 0 <= x <= 1, "a number from 0 to 1", "it is a share")
FRACTION: Rule = (lambda x: 0 <= x < 1, "a number from 0 to below 1", "it is a share, and some must be left")
GIVEN: Rule = (lambda x: x is None or x >= 1, "a whole number ≥ 1, or none", "it is a size of a network")
INNER: Rule = (lambda x: 0 < x < 1, "a number between 0 and 1", "either side needs some")

RULES: dict[str, Rule] = {
    "training.epochs": POSITIVE,
    "training.lr": POSITIVE,
    "training.batch_size": COUNT,
    "training.evaluations": COUNT,
    "training.weight_decay": NOT_NEGATIVE,
    "training.warmup": SHARE,
    "training.checkpoint_every": NOT_NEGATIVE,
    "training.threads": NOT_NEGATIVE,
    "training.seed": NOT_NEGATIVE,
    "training.max_grad_norm": (lambda x: x > 0, "a number above 0, or inf for no limit", "gradients are scaled to it"),
    "teacher.epochs": NOT_NEGATIVE,
    "teacher.lr": POSITIVE,
    "teacher.seed": NOT_NEGATIVE,
    "student.layers": COUNT,
    "student.kronecker": (
        lambda x: x is None or 1 < x < math.inf,
        "a number above 1, or none",
        "it is how many times smaller",
    ),
    "student.decoder": GIVEN,
    "teacher.decoder": GIVEN,
    "teacher.heads": GIVEN,
    "teacher.feed_forward": GIVEN,
    "teacher.dropout": FRACTION,
    "translation.smoothing": FRACTION,
    "translation.beam": COUNT,
    "translation.length_penalty": NOT_NEGATIVE,
    "generator.share": (
        lambda x: 0 < x <= 1,
        "a number above 0, at most 1",
        "it is a share, and the first phase needs some",
    ),
    "opdf.cores": (lambda x: x >= 2, "a whole number ≥ 2", "one factor is the weight itself"),
    "opdf.alignment": NOT_NEGATIVE,
    "opdf.alignment_end": (lambda x: x is None or x >= 0, "a number ≥ 0, or none", "a negative one repels"),
    "opdf.resync_every": COUNT,
    "kd.alpha": SHARE,
    "kd.temperature": POSITIVE,
    "kd.beta": NOT_NEGATIVE,
    "kd.hidden": NOT_NEGATIVE,
    "kd.attention": NOT_NEGATIVE,
    "kd.ffn": NOT_NEGATIVE,
    "kd.embedding": NOT_NEGATIVE,
    "kd.weights": NOT_NEGATIVE,
    "theseus.replacing_rate": SHARE,
    "theseus.steady": SHARE,
    "lgtm.alpha": SHARE,
    "lgtm.teacher_alpha": SHARE,
    "lgtm.temperature": POSITIVE,
    "lgtm.teacher_lr": POSITIVE,
    "lgtm.influence": NOT_NEGATIVE,
    "lgtm.held_out": INNER,
    "dbkd.alpha": SHARE,
    "dbkd.temperature": POSITIVE,
    "dbkd.samples": COUNT,
    "dbkd.noise": POSITIVE,
    "dbkd.sigma": POSITIVE,
    "dbkd.seed": NOT_NEGATIVE,
    "adkd.alpha": SHARE,
    "adkd.temperature": POSITIVE,
    "adkd.beta": NOT_NEGATIVE,
    "adkd.steps": COUNT,
    "adkd.top": (lambda x: x is None or x >= 1, "a whole number ≥ 1, or none for all", "none of a norm is nothing"),
}


def check(config: Config) -> None:
    """Refuse values that no run can have, alone or together."""
    for key, (holds, needed, why) in RULES.items():
        if not holds(value := value_at(config, key)):  # NaN holds nowhere
            raise TensorNetError(f"opdf: {key} = {value}, needed {needed}, because {why}; correct it")
    report.check_trackers(tensorboard=config.tensorboard, wandb=config.wandb)
    for message in (
        *_together(config),
        *in_factors(config),
        *in_generators(config),
        *in_jax(config),
        *in_translation(config),
    ):
        raise TensorNetError(f"opdf: {message}")


def _together(config: Config) -> Iterator[str]:
    opdf, text = config.opdf, config.task.name not in ("fashion_mnist", "translation")
    if opdf.alignment and not opdf.on:
        yield (
            f"opdf.alignment = {opdf.alignment} with opdf.on = false, needed both, because only factors are aligned; set "
            f"opdf.on, or take kd.weights, which pulls weights to weights"
        )
    if config.training.precision != "float32" and config.host not in ("kd", "labels"):
        yield (
            f"training.precision = {config.training.precision!r} with host = {config.host!r}, needed 'float32' or the host "
            f"'kd' or 'labels', because the others go through layers and gradients of their own, which 16 bits round; take "
            f"training.matmul = 'medium'"
        )
    if config.cache is not None and config.cache.resolve() == config.out.resolve():
        yield (
            f"cache = {config.cache} is out too, needed another folder, because runs wait for a cache that another "
            f"writes, and a run folder is in use to the end; leave it out, which takes a folder in there, or give one beside it"
        )
    if config.teacher.source is None and not text and not config.teacher.epochs and is_asked(config):
        yield (
            "teacher.epochs = 0 without teacher.source, needed one of them, because a student would learn what random "
            "weights answer; give teacher.epochs above 0, or the folder of a network that a run exported"
        )
    if config.teacher.source is None and text:
        yield (
            "teacher.source is missing, needed the folder (or name) of an encoder, because text has no teacher of its own; "
            "give one, e.g. that of all-MiniLM-L6-v2"
        )
