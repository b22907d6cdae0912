"""metrics.jsonl: what happened, a JSON object a line, and the same file again where a killed run goes on."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self, final

from tensornet import TensorNetError

from ._tracker import Record, Tracker
from ._values import plain, restored, worded

NAME = "metrics.jsonl"


@final
class Metrics(Tracker):
    """Appends to metrics.jsonl; each record is in the file when `log` returns.

    A line that a kill cut in half is removed when the file is opened, so that what follows stands on a line of its own.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        _cut(self.path, sum(len(line) for line in _lines(self.path)))

    @classmethod
    def resumed(cls, folder: Path, step: int) -> Self:
        """Of a run that goes on after `step`: from the first record of a later step on, the file is cut off."""
        path, kept = folder / NAME, 0
        for line, record in zip(_lines(path), read(folder), strict=True):
            if record.get("step", step) > step:
                break
            kept += len(line)
        _cut(path, kept)
        return cls(folder)

    def log(self, record: Record) -> None:
        """Numbers may be arrays of any library; NaN and infinities become strings, which `read` turns back."""
        line = json.dumps(worded(plain(record)), ensure_ascii=False, allow_nan=False)
        try:
            with self.path.open("ab") as file:
                file.write(f"{line}\n".encode())
        except OSError as error:
            raise TensorNetError(
                f"Metrics: {self.path} takes no more ({error.strerror}); needed room for a line of {len(line)} "
                f"characters, because a run that cannot be followed should not go on; free some space and resume the run"
            ) from error

    def close(self) -> None:
        """The file is complete already."""


def read(folder: Path) -> list[dict[str, Any]]:
    """The records of a run folder, those of a run still going too; a last line without its end is left out.

    raises: TensorNetError for a line that is no JSON object
    """
    return [_parsed(line, number, folder / NAME) for number, line in enumerate(_lines(folder / NAME), 1)]


def _lines(path: Path) -> list[bytes]:
    """The complete ones, with their ends; none of a file that is not there."""
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    return lines[:-1] if lines and not lines[-1].endswith(b"\n") else lines


def _cut(path: Path, size: int) -> None:
    """One call that happens or does not: a kill leaves the old file or the new one."""
    if path.exists() and path.stat().st_size > size:
        with path.open("r+b") as file:
            file.truncate(size)


def _parsed(line: bytes, number: int, path: Path) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    if not isinstance(record, dict):
        raise TensorNetError(
            f"read: line {number} of {path} is {line[:40]!r}; needed a JSON object on each line, because that is what a "
            f"run writes; restore the file, or remove the line"
        )
    return restored(record)


def series(records: list[dict[str, Any]], *names: str) -> Iterator[tuple[int, Any]]:
    """Step and value, of the records that have a value at this path, e.g. ("terms", "kd")."""
    for record in records:
        value: Any = record
        for name in names:
            value = value.get(name) if isinstance(value, dict) else None
        if value is not None and "step" in record:
            yield record["step"], value
