"""TensorBoard's event files, by the `tensorboard` package alone: the same for PyTorch and JAX."""

import time
from pathlib import Path
from typing import Any, final

from ._extras import needed
from ._tracker import Record, Tracker, scalars


@final
class TensorBoard(Tracker):
    """A scalar for each number of a record, named by its path: terms/kd, entropies/layer.0.weight/1."""

    def __init__(self, folder: Path) -> None:
        """
        folder  gets a file events.out.tfevents.…
        raises: TensorNetError where the package is missing
        """
        self._proto: Any = needed("tensorboard.compat.proto.event_pb2", "TensorBoard")
        self._summary: Any = needed("tensorboard.compat.proto.summary_pb2", "TensorBoard").Summary
        writer: Any = needed("tensorboard.summary.writer.event_file_writer", "TensorBoard")
        self._writer = writer.EventFileWriter(str(folder))
        self._started = False

    def log(self, record: Record) -> None:
        """Records without a step are left out: TensorBoard has no place for them."""
        if "step" not in record:
            return
        if not self._started:  # of a resumed run: hides what an earlier file says of this step and later ones
            self._add(int(record["step"]), session_log=self._proto.SessionLog(status=self._proto.SessionLog.START))
            self._started = True
        values = [self._summary.Value(tag=path, simple_value=value) for path, value in scalars(record)]
        self._add(int(record["step"]), summary=self._summary(value=values))
        self._writer.flush()  # a kill loses nothing that a checkpoint has

    def close(self) -> None:
        """The file is complete already."""
        self._writer.close()

    def _add(self, step: int, **what: Any) -> None:
        self._writer.add_event(self._proto.Event(wall_time=time.time(), step=step, **what))
