"""The training loop, in any framework: it can be killed anywhere, and goes on to the same bits."""

import math
import platform
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tensornet import TensorNetError

from ..report import Metrics, Tracker
from ..tasks import Task, scores
from . import _state
from ._config import Training
from ._engine import Engine
from ._order import Steps, rate
from ._times import Times

CHECKPOINT, BEST = "checkpoint.safetensors", "best.{}.safetensors"  # of a step

Told = Callable[[str, int, int, str], None]  # phase, done, total, what else is to be said


def silent(phase: str, done: int, total: int, said: str) -> None:
    """Nobody is told how far a run is."""


@dataclass(frozen=True)
class Trained:
    """best_step  the step after which dev was best, and the student that is shipped
    dev        its scores there
    seconds    spent in steps, over all resumptions
    step_ms    the median step, of two phases their mean by steps, once it had settled; None if there were too few
    facts      the engine's, of the last step
    """

    best_step: int
    dev: dict[str, float]
    seconds: float
    step_ms: float | None
    facts: dict[str, Any]


def train(
    engine: Engine,
    task: Task,
    training: Training,
    steps: Steps,
    folder: Path,
    *,
    made_of: Mapping[str, str],
    trackers: Sequence[Tracker] = (),
    told: Told = silent,
) -> Trained:
    """Take all steps, score dev in between, and leave the best student in the engine.

    folder    of the run: holds a checkpoint and the best student while it lasts
    made_of   fingerprints of data and teacher, by name: a checkpoint of others is refused
    trackers  are given each record, beside metrics.jsonl
    raises: TensorNetError when the loss is NaN or Inf
    """
    at: dict[str, Any] = {"step": 0, "best_step": 0, "dev": {}, "seconds": 0.0}
    times = Times((engine.switch, steps.total - engine.switch), platform.node())
    path = folder / CHECKPOINT
    if path.exists():
        at = _resumed(engine, path, made_of)
        times.resume(at.pop("times"))
    saved = at["best_step"]  # that the checkpoint speaks of
    with Metrics.resumed(folder, at["step"] or -1) as metrics:
        if not at["step"] and (start := engine.probe()):
            for tracker in (metrics, *trackers):
                tracker.log({"step": 0, **start})
        for step, rows in enumerate(steps.since(at["step"]), at["step"]):
            begun = time.perf_counter()
            lr = rate(training, step, steps.total, engine.switch)
            record = engine.step(rows, step, lr)
            _check(record, step)
            took = time.perf_counter() - begun
            times.add(step, took)
            at |= {"step": step + 1, "seconds": at["seconds"] + took}
            record = {"step": step + 1, "epoch": steps.epoch(step + 1), "lr": lr, **record, "seconds": at["seconds"]}
            if step + 1 in steps.evaluated:
                record |= _evaluated(engine, task, at, folder)
                tidied(folder, (saved, at["best_step"]))
            for tracker in (metrics, *trackers):
                tracker.log(record)
            told("train", step + 1, steps.total, _said(record, at, task))
            if training.checkpoint_every and (step + 1) % training.checkpoint_every == 0 and step + 1 < steps.total:
                here = at | {"times": times.state()}
                _state.write(path, {"at": here, "made_of": made_of, "engine": engine.state()})
                saved = at["best_step"]
    facts = engine.facts()  # before weights of another step take the place of those that the factors contract to
    engine.restore(_state.read(folder / BEST.format(at["best_step"])))
    return Trained(at["best_step"], at["dev"], at["seconds"], times.median_ms(), facts)


def cleared(folder: Path) -> None:
    """Remove the state of a training that has ended."""
    (folder / CHECKPOINT).unlink(missing_ok=True)
    tidied(folder)


def tidied(folder: Path, steps: Collection[int] = ()) -> None:
    """Remove the best students so far, but for those of these steps.

    On another machine a run that goes on may not find again what was best after its checkpoint: that of before is kept.
    """
    kept = {BEST.format(step) for step in steps}
    for path in folder.glob(BEST.format("*")):
        if path.name not in kept:
            path.unlink()


def _resumed(engine: Engine, path: Path, made_of: Mapping[str, str]) -> dict[str, Any]:
    """Where the checkpoint stands, with the engine there too."""
    saved = _state.read(path)
    if other := [name for name, key in made_of.items() if saved["made_of"].get(name) != key]:
        raise TensorNetError(
            f"opdf distill: {path} was written with another {' and another '.join(other)}, needed the same to go on, "
            f"because half a run of each would be neither; give those that the run began with, or another --out"
        )
    at: dict[str, Any] = saved["at"]
    if at["best_step"] and not (best := path.with_name(BEST.format(at["best_step"]))).exists():
        raise TensorNetError(
            f"opdf distill: {best} is not there, needed the student that was best when {path.name} was written, because it may "
            f"be the one to ship; copy it again, or delete the run folder and start anew"
        )
    engine.load(saved["engine"])
    return at


def _evaluated(engine: Engine, task: Task, at: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Scores on dev and a look at the factors; the student is kept if it is the best so far."""
    dev = scores(task, engine.predict(task.dev), task.dev.labels)
    if not at["best_step"] or dev[task.metrics[0]] > at["dev"][task.metrics[0]]:
        _state.write(folder / BEST.format(at["step"]), engine.weights())  # before the checkpoint that speaks of it
        at |= {"best_step": at["step"], "dev": dev}
    return {"dev": dev, **engine.probe()}


def _check(record: dict[str, Any], step: int) -> None:
    if not math.isfinite(record["loss"]):
        terms = ", ".join(f"{name} {value:.3g}" for name, value in record["terms"].items())
        raise TensorNetError(
            f"opdf distill: the loss of step {step + 1} is {record['loss']} ({terms}), needed a number, because nothing can be "
            f"learnt from it; lower training.lr, or look at the term that is no number"
        )


def _said(record: dict[str, Any], at: dict[str, Any], task: Task) -> str:
    best = f", dev {task.metrics[0]} {at['dev'][task.metrics[0]]:.3f}" if at["dev"] else ""
    return f"loss {record['loss']:.3f}{best}"
