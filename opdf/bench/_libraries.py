"""The array libraries that are there to be measured."""

import importlib
from collections.abc import Iterator
from typing import Any


def installed(*names: str) -> Iterator[tuple[str, Any]]:
    """(name, module); a library that is not installed, as those of an extra may be, has no rows."""
    for name in names:
        try:
            yield name, importlib.import_module(name)
        except ModuleNotFoundError:
            continue
