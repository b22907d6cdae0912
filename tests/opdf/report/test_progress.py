"""Progress: lines in a log, bars in a terminal, nothing when quiet."""

import io
import re

import pytest
from rich.console import Console

from opdf.report import Progress
from opdf.report._progress import Bars, Lines


def told(terminal: bool, quiet: bool = False) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, force_interactive=terminal, width=100, color_system=None)
    with Progress(quiet=quiet, console=console) as progress:
        progress("teacher", 1, 2)
        progress("teacher", 2, 2)
        for done in range(1, 4):
            progress("train", done, 3, f"loss {1 / done:.2f}, dev f1 0.{done}")
    return out.getvalue()


class Clock:
    """Time that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def lines(clock):
    out = io.StringIO()
    return out, Lines(Console(file=out, width=40), clock)


def test_a_log_has_a_line_where_a_phase_begins_and_ends():
    assert told(terminal=False).splitlines() == [
        "teacher 1/2 after 0:00:00",
        "teacher 2/2 after 0:00:00",
        "train 1/3 after 0:00:00, loss 1.00, dev f1 0.1",
        "train 3/3 after 0:00:00, loss 0.33, dev f1 0.3",
    ]


def test_a_log_has_a_line_every_half_minute_with_what_is_left(lines, clock):
    out, display = lines
    for done in range(101, 201):  # a resumed run, four seconds a step
        display.show("train", done, 1000, "[loss] 0.5")
        clock.now += 4
    found = out.getvalue().splitlines()
    assert len(found) == 1 + 99 * 4 // 32  # the eighth step after a line is the first that is half a minute later
    assert found[:2] == [
        "train 101/1000 after 0:00:00, [loss] 0.5",
        "train 109/1000 after 0:00:32, 0:59:24 left, [loss] 0.5",
    ]


def test_a_phase_that_begins_again_begins_anew(lines, clock):
    out, display = lines
    for done in (1, 2, 1, 2):
        display.show("evaluate", done, 2, "")
        clock.now += 5
    assert out.getvalue().splitlines() == ["evaluate 1/2 after 0:00:00", "evaluate 2/2 after 0:00:05"] * 2


def test_a_terminal_has_a_bar_for_each_phase():
    teacher, train = told(terminal=True).splitlines()[-3:-1]
    assert re.search(r"teacher +━+ 2/2 \d:\d\d:\d\d left", teacher)
    assert re.search(r"train +━+ 3/3 .* left .* loss 0\.33, dev f1 0\.3", train)


def test_a_bar_goes_on_and_begins_anew():
    display = Bars(Console(file=io.StringIO(), width=100))
    display.show("evaluate", 1, 2, "")
    (task,) = display._bars.tasks
    begun = task.start_time
    display.show("evaluate", 2, 2, "")
    assert (task.completed, task.finished, task.start_time) == (2, True, begun)
    display.show("evaluate", 1, 2, "")
    assert (task.completed, task.finished) == (1, False)
    assert task.start_time > begun
    display.close()


def test_quiet_is_quiet():
    assert told(terminal=True, quiet=True) == told(terminal=False, quiet=True) == ""
