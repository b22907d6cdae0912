"""A distillation from start to end: teacher, what it says, student, training, the test once, and what is left behind."""

import importlib
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tensornet import TensorNetError
from tensornet.files._replace import replacing

from .. import report
from ..report._metrics import NAME as METRICS
from ..tasks import Task, load, signature
from ._check import check
from ._check_factors import check_factors
from ._config import Config, cache_of, tokenizer_of, vocabularies
from ._lock import NAME as LOCK
from ._lock import locked
from ._loop import Told, cleared, silent
from ._toml import differences, read, renamed, to_dict, to_toml

CONFIG, SUMMARY = "config.toml", "summary.json"
BACKENDS = {"torch": "_torch_run", "jax": "_jax_run"}


def distill(config: Config, *, resume: bool = False, told: Told = silent, command: str = "") -> dict[str, Any]:
    """Run what `config` says in its folder; returns the summary that is left there as summary.json.

    resume   go on in a folder that holds a run of this configuration; of one that has ended, its summary is returned
    told     is told how far it is: phase, done, total, what else is to be said
    command  that asked for it, for the model card
    raises: TensorNetError for what cannot be run: before anything is written, where that can be known before
    """
    check(config)
    if (done := _ended(config, resume)) is not None:
        _refuse_other_data(config, done)
        return done
    check_factors(config)
    task = load(config.task, tokenizer_of(config), vocabularies(config))
    config.out.mkdir(parents=True, exist_ok=True)
    with locked(config.out), _trackers(config) as trackers:
        _write(config.out / CONFIG, to_toml(config))
        backend = importlib.import_module(f".{BACKENDS[config.training.backend]}", __package__)
        summary = _said_first(config) | backend.run(config, task, trackers, told)
        summary |= {"splits": task.splits, "data": _digests(task), "command": command, "versions": report.versions()}
        if (computed := signature(task)) is not None:
            summary["signature"] = computed
        drawn = report.figures(config.out, summary)
        summary["figures"] = [path.relative_to(config.out).as_posix() for path in drawn]
        _write(config.out / "README.md", report.card(to_dict(config), summary))
        for model in ("student", "compact"):
            if (config.out / model).is_dir():  # which may go elsewhere, without the figures
                said = report.card(to_dict(config), summary | {"figures": []}, model)
                _write(config.out / model / "README.md", said)
        _write(config.out / SUMMARY, json.dumps(summary, indent=2))  # last: with it the run is done
    cleared(config.out)
    return summary


def _ended(config: Config, resume: bool) -> dict[str, Any] | None:
    """The summary of a run that has ended here; None where one may begin or go on."""
    written = config.out / CONFIG
    if not written.exists() or not _begun(config.out):
        return None
    if not resume:
        raise TensorNetError(
            f"opdf distill: {config.out} holds a run already, needed a folder without one, because nothing is written over; "
            f"pass --resume to go on with it, or another --out"
        )
    if other := differences(read(written), config):
        raise TensorNetError(
            f"opdf distill: {written} has another {', another '.join(other)} than the configuration given, needed the "
            f"same to go on, because half a run of each would be neither; give it as it was, or another --out, with "
            f"--cache {cache_of(config)} for the same teacher"
        )
    summary = config.out / SUMMARY
    if not summary.exists():
        return None
    if other := renamed(read(written), config):
        raise TensorNetError(
            f"opdf distill: the run in {config.out} has ended, with another {', another '.join(other)} than the configuration "
            f"given, needed files of the same names, because its scores are of those; give them, or another --out"
        )
    return dict(json.loads(summary.read_text(encoding="utf-8")))


def _begun(folder: Path) -> bool:
    """Whether a student has been trained here; what stopped a run before that may be corrected, and its teacher is in the
    cache. By its lock a run's folder is told from one that holds a configuration of somebody's own.
    """
    return not (folder / LOCK).exists() or any((folder / name).exists() for name in (METRICS, SUMMARY))


def _digests(task: Task) -> dict[str, str]:
    """What tells these examples from those of files that have been changed."""
    return {part: task.digest(part)[:16] for part in ("train", "dev", "test")}


def _refuse_other_data(config: Config, done: dict[str, Any]) -> None:
    """Of a run that has ended, where its files are still there."""
    if not any(place is not None and place.exists() for place in (config.task.folder, config.task.train_file)):
        return
    now = _digests(load(config.task, tokenizer_of(config), vocabularies(config)))
    if other := [part for part, digest in done.get("data", now).items() if digest != now[part]]:
        raise TensorNetError(
            f"opdf distill: the run in {config.out} has ended, with other examples in {', '.join(other)} than the files now, "
            f"needed the same, because its scores are of those; put the files of then back, or take another --out"
        )


def _said_first(config: Config) -> dict[str, Any]:
    opdf = to_dict(config.opdf) if config.opdf.on else None
    generator = to_dict(config.generator) if config.generator.on else None
    return {
        "name": _name(config),
        "task": config.task.name,
        "host": config.host,
        "opdf": opdf,
        "generator": generator,
        "seed": config.training.seed,
        "backend": config.training.backend,
    }


def _name(config: Config) -> str:
    """Of a run by itself its folder's; of one of a sweep, beside whose folders a cache is, where it is in there."""
    out, beside = config.out.resolve(), cache_of(config).resolve().parent
    inside = out.is_relative_to(beside) and out != beside
    return out.relative_to(beside).as_posix() if inside else out.name


@contextmanager
def _trackers(config: Config) -> Iterator[list[report.Tracker]]:
    with ExitStack() as stack:
        made = report.trackers(
            config.out, name=_name(config), tensorboard=config.tensorboard, wandb=config.wandb, config=to_dict(config)
        )
        yield [stack.enter_context(tracker) for tracker in made]


def _write(path: Path, text: str) -> None:
    with replacing(path) as file:
        file.write(text.encode())
