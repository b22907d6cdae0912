"""How long calls take, side by side."""

import statistics
import time
from collections.abc import Callable, Sequence

WARM_UP = 2  # turns that are not counted


def in_turn(calls: Sequence[Callable[[], object]], rounds: int) -> tuple[float, ...]:
    """Median milliseconds of each.

    They take turns, so that whatever disturbs the machine disturbs all alike: compare those of one call only.
    """
    turns = [[_seconds(call) for call in calls] for _ in range(WARM_UP + rounds)]
    return tuple(1000 * statistics.median(seconds) for seconds in zip(*turns[WARM_UP:], strict=True))


def _seconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin
