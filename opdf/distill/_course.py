"""A run from its engine on, in any framework: training, the test once, the student written, and what is said of all."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tensornet.files._replace import replacing

from ..report import Tracker
from ..tasks import Task, scores
from ._config import Config
from ._engine import Array, Engine
from ._loop import Told, train
from ._order import Steps
from ._teachers import folder_digest

LATENCY_ROWS = 32  # examples of dev in a call that is timed


def carried_out(
    engine: Engine,
    config: Config,
    task: Task,
    steps: Steps,
    *,
    of_teacher: str,
    teacher: Mapping[str, Any],
    parameters: int,
    export: Callable[[], Mapping[str, Any]],
    latencies: Callable[[dict[str, Array]], tuple[float, ...]],
    trackers: Sequence[Tracker],
    told: Told,
) -> dict[str, Any]:
    """Train, test, export; returns the framework's part of the summary.

    of_teacher  digest of its weights
    teacher     its scores on dev and test, and its parameters
    parameters  of the student
    export      writes the student that the engine was left with; returns what there is to say of it
    latencies   inputs → median milliseconds of teacher and student
    """
    if engine.plan is not None:
        with replacing(config.out / "plan.json") as file:
            file.write(engine.plan.to_json().encode())
    made_of = {"train": task.digest("train"), "dev": task.digest("dev"), "teacher": of_teacher}
    if config.student.compact is not None:
        made_of["student.compact"] = str(folder_digest(config.student.compact))
    done = train(engine, task, config.training, steps, config.out, made_of=made_of, trackers=trackers, told=told)
    told("test", 0, 1, "")
    test = scores(task, engine.predict(task.test), task.test.labels)
    told("test", 1, 1, "")
    exported = export()
    facts = dict(done.facts)
    sizes = {"parameters": parameters, "training_parameters": facts.pop("training_parameters")}
    rows = min(LATENCY_ROWS, len(task.dev))
    times = latencies(task.dev.batch(np.arange(rows)))
    return {
        "dev": done.dev,
        "test": test,
        "teacher": {**teacher, "latency_ms": times[0]},
        "student": {**sizes, "latency_ms": times[1]},
        "latency_rows": rows,
        **exported,
        **facts,
        **({"first_phase": engine.switch} if engine.switch else {}),
        "best_step": done.best_step,
        "steps": steps.total,
        "seconds": done.seconds,
        "step_ms": done.step_ms,
    }
