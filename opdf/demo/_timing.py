"""Times as ratios within one run: everything takes turns, so that drift of the machine hits all alike."""

import time
from collections.abc import Callable, Mapping

import numpy as np

ROUNDS = 9


def ratios(functions: Mapping[str, Callable[[], None]], to: str, repeats: int) -> dict[str, float]:
    """Median over rounds of each function's time over that of `to` in the same round."""
    rounds = [{name: _time(function, repeats) for name, function in functions.items()} for _ in range(ROUNDS)]
    return {name: float(np.median([r[name] / r[to] for r in rounds])) for name in functions}


def _time(function: Callable[[], None], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        function()
    return time.perf_counter() - start
