"""Numbers on their way into JSON and back."""

import math
from collections.abc import Mapping
from typing import Any

NONFINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def plain(value: Any) -> Any:
    """Of Python's own types: arrays and scalars of NumPy, PyTorch and JAX as numbers and lists."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {str(name): plain(inner) for name, inner in value.items()}
        case list() | tuple():
            return [plain(inner) for inner in value]
        case _:
            return plain(value.tolist())


def worded(value: Any) -> Any:
    """NaN and infinities as words, since JSON has no such numbers."""
    match value:
        case float() if not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        case dict():
            return {name: worded(inner) for name, inner in value.items()}
        case list():
            return [worded(inner) for inner in value]
    return value


def restored(value: Any) -> Any:
    """The inverse of `worded`."""
    match value:
        case str():
            return NONFINITE.get(value, value)
        case dict():
            return {name: restored(inner) for name, inner in value.items()}
        case list():
            return [restored(inner) for inner in value]
    return value
