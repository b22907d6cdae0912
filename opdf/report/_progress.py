"""How far a run is, on standard error: bars in a terminal, a line now and then in a log."""

import abc
import time
from collections.abc import Callable
from typing import Self, final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

EVERY = 30.0  # seconds between two lines of a log


@final
class Progress:
    """Told (phase, done, total, what else is to be said); a context.

    A phase that begins again, such as an evaluation, begins anew. Estimates of what remains count from where the phase was
    first heard of, so that a resumed run does not take its first steps for free ones.
    """

    def __init__(self, *, quiet: bool = False, console: Console | None = None) -> None:
        """
        quiet    nothing is said
        console  standard error, unless another is given
        """
        console = console or Console(stderr=True)
        self._display: Display = Bars(console, quiet) if quiet or console.is_interactive else Lines(console)

    def __call__(self, phase: str, done: int, total: int, said: str = "") -> None:
        self._display.show(phase, done, total, said)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._display.close()


class Display(abc.ABC):
    """A way to show it."""

    @abc.abstractmethod
    def show(self, phase: str, done: int, total: int, said: str) -> None:
        """Bring one phase up to date."""

    @abc.abstractmethod
    def close(self) -> None:
        """Leave what is shown as it is."""


@final
class Bars(Display):
    """A moving bar for each phase, or, disabled, nothing."""

    def __init__(self, console: Console, disable: bool = False) -> None:
        columns = (
            TextColumn("{task.description:8}"),
            BarColumn(bar_width=16),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[said]}", style="dim"),
        )
        self._bars = RichProgress(*columns, console=console, refresh_per_second=4, disable=disable)
        self._tasks: dict[str, Task] = {}

    def show(self, phase: str, done: int, total: int, said: str) -> None:
        """Move the bar of this phase."""
        if not self._tasks:
            self._bars.start()
        if phase not in self._tasks:
            self._bars.add_task(phase, total=total, completed=done, said=said)
            self._tasks[phase] = self._bars.tasks[-1]
        task = self._tasks[phase]
        move = self._bars.reset if done < task.completed else self._bars.update
        move(task.id, total=total, completed=done, said=said)

    def close(self) -> None:
        """They move no longer."""
        self._bars.stop()


@final
class Lines(Display):
    """A line when a phase begins, when it ends, and every half minute between."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console, self._clock = console, clock
        self._begun: dict[str, tuple[int, float]] = {}  # of each phase: where it was first heard of, and when
        self._last = -EVERY

    def show(self, phase: str, done: int, total: int, said: str) -> None:
        """Say it, if it is time."""
        now = self._clock()
        first = phase not in self._begun
        start, since = self._begun.setdefault(phase, (done, now))
        if first or done >= total or now - self._last >= EVERY:
            self._last = now
            line = f"{phase} {done}/{total} after {_clock_time(now - since)}"
            if start < done < total:
                line += f", {_clock_time((now - since) * (total - done) / (done - start))} left"
            line += f", {said}" if said else ""
            self._console.print(line, soft_wrap=True, highlight=False, markup=False)
        if done >= total:
            del self._begun[phase]

    def close(self) -> None:
        """Everything is said already."""


def _clock_time(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
