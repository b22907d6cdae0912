"""What a sweep leaves beside its runs: results.json, results.csv, results.md, results.png."""

import csv
import io
import json

from tensornet.files._replace import replacing

from ._figure import draw
from ._results import Results
from ._state import State
from ._table import markdown


def leave(results: Results, state: State) -> None:
    """Write the four; the figure when there is something to draw."""
    out = results.sweep.out
    out.mkdir(parents=True, exist_ok=True)
    with replacing(out / "results.json") as file:
        file.write(json.dumps(results.summary(), indent=1, ensure_ascii=False, default=str).encode())
    with replacing(out / "results.csv") as file:
        file.write(_csv(results, state).encode())
    with replacing(out / "results.md") as file:
        file.write(markdown(results).encode())
    if any(row.runs for row in results.rows):
        with replacing(out / "results.png") as file:
            file.write(draw(results))


def _csv(results: Results, state: State) -> str:
    """A line for each run; the test stays closed for all but those that are reported."""
    metrics = sorted({name for run in state.finished.values() for name in run.dev})
    keys = sorted({key for row in results.rows for p in row.arm.points for key in p.values})
    heads = ["arm", "point", *keys, "seed", "reported", *(f"dev_{m}" for m in metrics), *(f"test_{m}" for m in metrics)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*heads, "step_ms", "steps", "trained", "shipped", "host"])
    for job, run in sorted(state.finished.items(), key=lambda item: (item[0].arm, item[0].point, item[0].seed)):
        row = results.row(job.arm)
        reported = bool(row.chosen and row.chosen.name == job.point and job.seed in row.runs)
        values = row.arm.point(job.point).values
        writer.writerow(
            [job.arm, job.point, *(values.get(key, "") for key in keys), job.seed, int(reported)]
            + [run.dev.get(m, "") for m in metrics]
            + [run.test.get(m, "") if reported else "" for m in metrics]
            + [run.step_ms, run.steps, run.trained, run.shipped, run.host]
        )
    return text.getvalue()
