"""What takes the records of a run as they come."""

import abc
from collections.abc import Iterator, Mapping
from typing import Any, Self

from ._values import plain

Record = Mapping[str, Any]
"""Numbers, and numbers by name: {"step": 20, "loss": 0.4, "terms": {"kd": 0.3}, "entropies": {"a.weight": [0.9, 0.4]}}."""


class Tracker(abc.ABC):
    """A place that records go to; a context that closes it."""

    @abc.abstractmethod
    def log(self, record: Record) -> None:
        """Take one record."""

    @abc.abstractmethod
    def close(self) -> None:
        """Write what is still held back; nothing is logged after it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def scalars(record: Record) -> Iterator[tuple[str, float]]:
    """The numbers of a record by path: ("terms/kd", 0.3), ("entropies/a.weight/1", 0.4); words and the step are left out."""
    return _scalars({name: plain(value) for name, value in record.items() if name != "step"}, "")


def _scalars(value: Any, path: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _scalars(inner, f"{path}/{name}" if path else str(name))
    elif isinstance(value, list):
        yield from _scalars(dict(enumerate(value)), path)
    elif value is not None and not isinstance(value, str):
        yield path, float(value)
