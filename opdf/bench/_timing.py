"""Timing by turns, so that whatever disturbs the machine disturbs all alike."""

import time
from collections.abc import Callable, Mapping
from typing import Any

HOPELESS = 20  # times slower than the quickest, and longer than LONG: two turns tell enough
LONG = 0.05  # seconds


def best_of_rounds(
    functions: Mapping[str, Callable[[], Any]], rounds: int = 6, *, at_least: float = 0.0
) -> dict[str, float]:
    """Everything takes turns; the quickest turn of each is warm and the one that nothing disturbed.

    at_least: seconds of turns altogether, of functions that are over in no time
    """
    best, spent, turn = dict.fromkeys(functions, float("inf")), 0.0, 0
    while turn < rounds or spent < at_least:
        for name, function in functions.items():
            if turn > 1 and best[name] > max(LONG, HOPELESS * min(best.values())):
                continue
            begin = time.perf_counter()
            wait(function())
            took = time.perf_counter() - begin
            best[name], spent = min(best[name], took), spent + took
        turn += 1
    return best


def wait(result: Any) -> None:
    """JAX returns before it is done."""
    for array in result:
        if hasattr(array, "block_until_ready"):
            array.block_until_ready()
