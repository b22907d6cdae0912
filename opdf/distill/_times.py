"""How long a step takes: the median of each phase, weighted by the phase's steps."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SETTLING = 5  # steps at the start of a process or a phase, which allocate and compile: their times do not count
KEPT = 1000  # of each phase, the last


@dataclass
class Times:
    """Seconds of steps, phase by phase, on one machine.

    lengths  steps of each phase; the first may have none
    host     the machine
    found    what was measured, for each phase
    fresh    steps that this process has taken in this phase
    """

    lengths: tuple[int, int]
    host: str
    found: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []), init=False)
    fresh: int = field(default=0, init=False)

    def add(self, step: int, seconds: float) -> None:
        """step: from 0, over all phases."""
        phase = int(step >= self.lengths[0])
        self.fresh = 1 if step == self.lengths[0] else self.fresh + 1
        if self.fresh > SETTLING:
            self.found[phase].append(seconds)
            del self.found[phase][:-KEPT]

    def median_ms(self) -> float | None:
        """Σ steps × median over phases, over all steps; None if a phase had too few to settle."""
        phases = [(n, found) for n, found in zip(self.lengths, self.found, strict=True) if n]
        if not all(found for _, found in phases):
            return None
        return 1e3 * sum(n * statistics.median(found) for n, found in phases) / sum(n for n, _ in phases)

    def state(self) -> dict[str, Any]:
        return {"host": self.host, "found": list(self.found)}

    def resume(self, saved: Mapping[str, Any]) -> None:
        """Go on from `state()`; times of another machine are forgotten, because they do not compare."""
        if saved["host"] == self.host:
            first, second = saved["found"]
            self.found = first, second
