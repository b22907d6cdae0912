"""A distillation that takes no time, for the tests of sweeps: scores are a function of arm, learning rate and seed."""

import json
import math
import os
import signal
import time
from pathlib import Path

from opdf.distill import Config
from opdf.sweep import Job, Sweep
from tensornet import TensorNetError

LOG = "ran"  # a line for each run, in the sweep's folder


def scores(config: Config) -> tuple[float, float]:
    """dev and test: best at lr 3e-4, factors two points better and at their best at 1e-3."""
    best, gain = (1e-3, 0.02) if config.opdf.on else (3e-4, 0.0)
    off = 0.01 * math.log10(config.training.lr / best) ** 2
    noise = 0.002 * math.sin(7 * config.training.seed + 3 * config.opdf.on)
    return 0.8 + gain - off + noise, 0.79 + gain - off - noise


def run(config: Config) -> None:
    dev, test = scores(config)
    step_ms = 20.0 if config.opdf.on else 10.0
    student = {"parameters": 1000, "training_parameters": 3000 if config.opdf.on else 1000}
    summary = {
        "dev": {"accuracy": dev, "f1": dev / 2},
        "test": {"accuracy": test, "f1": test / 2},
        "step_ms": step_ms,
        "steps": round(100 * config.training.epochs),
        "student": student | {"latency_ms": 4.0 + config.training.seed},
        "teacher": {"test": {"accuracy": 0.875, "f1": 0.5}, "latency_ms": 12.0},
    }
    with (config.out.parents[2] / LOG).open("a") as file:
        file.write(f"{config.out.relative_to(config.out.parents[2]).as_posix()} {os.getpid()}\n")
    part = config.out / ".summary.part"
    part.write_text(json.dumps(summary))
    part.replace(config.out / "summary.json")


def trained(config: Config) -> None:
    """With the records that say that something was trained."""
    (config.out / "metrics.jsonl").write_text("{}\n")
    run(config)


def run_job(sweep: Sweep, job: Job) -> None:
    config = sweep.config(job)
    config.out.mkdir(parents=True)
    run(config)


def stuck(config: Config) -> None:
    """From the fourth run on it takes for ever."""
    log = config.out.parents[2] / LOG
    if log.exists() and len(log.read_text().splitlines()) >= 3:
        time.sleep(600)
    run(config)


def meeting(config: Config) -> None:
    """Nobody runs before two processes are here."""
    (config.out.parents[2] / f"here.{os.getpid()}").touch()
    end = time.monotonic() + 120
    while len(list(config.out.parents[2].glob("here.*"))) < 2 and time.monotonic() < end:
        time.sleep(0.02)
    run(config)


def ran(out: Path) -> list[str]:
    return [line.split()[0] for line in (out / LOG).read_text().splitlines()]


def failing(config: Config) -> None:
    """Seeds 1 to 4 fail, each in its way."""
    if config.training.seed == 1:
        raise TensorNetError("no such data; give some")
    if config.training.seed == 2:
        os.write(2, b"said before the end\n")
        raise ZeroDivisionError("division by zero")
    if config.training.seed == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if config.training.seed != 4:
        run(config)


def environment(config: Config) -> None:
    print(os.environ["OMP_NUM_THREADS"], os.environ["OPENBLAS_NUM_THREADS"])
    run(config)
