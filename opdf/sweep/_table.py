"""The table a person reads."""

from collections.abc import Iterator, Sequence

from rich.markup import escape
from rich.table import Table

from ..statistics import Difference, said, spread
from ._results import Results, Row

ARROWS = {"lowest": "↓", "highest": "↑"}
LEGEND = (
    "dev, test: ×100, mean ± standard deviation over n seeds. Δ: of test, paired by seed, with 95 % interval; p: its t-test's, "
    "after Holm for all arms. step: time of a step over the baseline's. train, ship: parameters the optimiser held, and of the "
    "student."
)


def tables(results: Results) -> tuple[Table, Table]:
    """Who wins, and what each arm is; 80 columns each, where the arms' titles are short."""
    baseline = results.row(results.sweep.baseline).arm.title
    scores = _table(
        f"{results.metric or 'Nothing yet'}, {results.sweep.seeds} seeds",
        ("n", "dev", "test", f"Δ to {escape(baseline)}", "p"),
    )
    arms = _table(None, ("step", "train", "ship"), "chosen on dev")
    for row in results.rows:
        scores.add_row(escape(row.arm.title), _count(row), *(_scores(row) if row.runs else ()))
        arms.add_row(escape(row.arm.title), _chosen(row), *(_sizes(row) if row.runs else ()))
    return scores, arms


def markdown(results: Results) -> str:
    """Both tables as one, for a document, without the remarks; and dev over what the grid varies."""
    baseline = results.row(results.sweep.baseline).arm.title
    heads = ("arm", "chosen on dev", "n", "dev", "test", f"Δ to {baseline}", "p", "step", "trained parameters")
    lines = [" | ".join(heads), " | ".join(["---"] * 2 + ["---:"] * 7)]
    for row in results.rows:
        scores, sizes = (list(_scores(row)), list(_sizes(row))) if row.runs else (["–"] * 4, ["–"] * 3)
        lines.append(" | ".join([row.arm.title, _chosen(row), _count(row), *scores, *sizes[:2]]))
    over = _over(results, results.varied) if results.varied else []
    return "\n".join("".join(f"| {line} |\n" for line in table) for table in (lines, over) if table)


def _over(results: Results, key: str) -> list[str]:
    """Mean ± deviation on dev at each value of a key."""
    curves = [row.over(key) for row in results.rows]
    values = sorted({value for curve in curves for value in curve})
    lines = [" | ".join([f"dev at {key}", *map(_said, values)]), " | ".join(["---", *["---:"] * len(values)])]
    for row, curve in zip(results.rows, curves, strict=True):
        if curve:
            lines.append(" | ".join([row.arm.title, *(_mean(curve[v]) if v in curve else "–" for v in values)]))
    return lines


def _table(title: str | None, numbers: Sequence[str], *words: str) -> Table:
    made = Table(title=title, box=None, pad_edge=False, padding=(0, 2, 0, 0), title_justify="left")
    for head in ("arm", *words):
        made.add_column(head)
    for head in numbers:
        made.add_column(head, justify="right", no_wrap=True)
    return made


def remarks(results: Results) -> Iterator[str]:
    """How the points were chosen, what is at the end of its grid, and what is not there."""
    if any(len(row.arm.points) > 1 for row in results.rows):
        sizes = ", ".join(f"{row.arm.title} {len(row.arm.points)}" for row in results.rows)
        yield (
            f"Points chosen on dev, by the mean of {results.sweep.select_seeds} of the seeds that are reported; test is that "
            f"of the chosen points alone. Points tried: {sizes}."
        )
    for row in results.rows:
        for key, end in row.edges.items():
            yield f"{row.arm.title}: the {end} {key} tried is the best ({ARROWS[end]}); widen the grid to see what lies beyond."
        if row.pace is not None:
            yield f"{row.arm.title}: {row.pace:.2f} times the epochs, to train as long as {row.arm.same_time_as}."
        elif row.arm.same_time_as:
            yield f"{row.arm.title} waits for the times of {row.arm.same_time_as} and its own, of runs on the same machine."
        if row.missing:
            unsure = "" if row.final else "; the point may still change"
            yield f"{row.arm.title}: {row.missing} runs missing{unsure}."
        if row.lost:
            yield f"{row.arm.title}: a mean over the {len(row.runs)} seeds that did not fail, which flatters it."
    if results.teachers:
        yield _of_teachers(results)
    failed: dict[str, list[str]] = {}
    for job, why in ((job, why) for row in results.rows for job, why in row.failed.items()):
        failed.setdefault(why, []).append(job.folder.as_posix())
    for why, folders in failed.items():
        yield f"Failed: {', '.join(folders)}: {why}"
    yield LEGEND


def _of_teachers(results: Results) -> str:
    scores = ", ".join(f"{100 * score:.2f}" for score in results.teachers)
    faster = ", ".join(f"{row.arm.title} ×{row.faster:.2f}" for row in results.rows if row.faster is not None)
    return f"Teacher: {results.metric} {scores} on test. Times as fast as it: {faster}."


def _chosen(row: Row) -> str:
    if row.chosen is None:
        return "–"
    values = (
        f"{key.rpartition('.')[2]} {_said(v)}{ARROWS.get(row.edges.get(key, ''), '')}"
        for key, v in row.chosen.values.items()
    )
    return (", ".join(values) or "as it is") + ("" if row.final else " ?")


def _said(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _scores(row: Row) -> Iterator[str]:
    for scores in (row.dev, row.test):
        yield _mean(spread(scores))
    yield _difference(row.difference) if row.difference else "–"
    yield f"{row.p_holm:.2g}" if row.p_holm is not None else "–"


def _mean(spread: tuple[float, float | None]) -> str:
    mean, std = spread
    return said((100 * mean, None if std is None else 100 * std), 2)


def _count(row: Row) -> str:
    """The seeds that the row is the mean of, and how many it is not."""
    return f"{len(row.runs)}" + (f" ({row.lost} failed)" if row.lost else "")


def _sizes(row: Row) -> Iterator[str]:
    first = next(iter(row.runs.values()))
    yield f"×{row.step:.2f}" if row.step is not None else "–"
    yield f"{first.trained:,}"
    yield f"{first.shipped:,}"


def _difference(d: Difference) -> str:
    if d.half == float("inf"):
        return f"{100 * d.mean:+.2f}"
    return f"{100 * d.mean:+.2f} [{100 * (d.mean - d.half):+.2f}, {100 * (d.mean + d.half):+.2f}]"
