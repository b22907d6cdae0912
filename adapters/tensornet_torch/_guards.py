"""Who else writes the planned weights: noticed before a step would undo it."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from tensornet import TensorNetError

from ._weight import Weight

GUARDS = ("values", "versions")

_ODD = 0x9E3779B97F4A7C1  # a large odd constant, which spreads the places over all bits
_INTEGER = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64, 16: torch.int64}


class Guard:
    """Knows the weights as we wrote them.

    kind  "values": every weight is read at each step, and the host waits for the answer; nothing escapes
          "versions": a weight is read only where its version counter or its storage is another: no wait in an ordinary
          step, but what was written through `.data` escapes
    """

    def __init__(self, weights: Iterable[Weight], kind: str) -> None:
        if kind not in GUARDS:
            raise TensorNetError(
                f"overparameterize: unknown guard {kind!r}; there are {', '.join(GUARDS)}; choose 'values' if in doubt"
            )
        self.weights, self.kind = tuple(weights), kind
        self._places: tuple[Tensor, Tensor] | None = None
        self.note()

    def note(self) -> None:
        """The weights as they stand are ours."""
        self._sums, self._versions = self.checksums(), self._counters()

    def changed(self) -> list[str]:
        """Names of the weights that are not as they were noted."""
        counters = self._counters()
        if self.kind == "versions" and counters == self._versions:
            return []
        differ = (self.checksums() != self._sums).tolist()
        if not any(differ):  # the same bits were written back
            self._versions = counters
        return [w.name for w, d in zip(self.weights, differ, strict=True) if d]

    def refuse_changed(self) -> None:
        names = self.changed()
        if names:
            raise TensorNetError(
                f"overparameterize: somebody else wrote {', '.join(names)} since the last step (a loaded checkpoint, an EMA "
                f"swap?); the next step would undo that, because the factors are the truth; put the old values back, or "
                f"call optimizer.resync() to decompose the new ones"
            )

    def refuse_bypassed(self, optimizer: torch.optim.Optimizer) -> None:
        """An inner optimiser that keeps parameters elsewhere than in its groups would train the dense weights."""
        if not torch.equal(self.checksums(), self._sums):
            raise TensorNetError(
                f"overparameterize: {type(optimizer).__name__} stepped on dense weights instead of their factors; it must "
                f"read its parameters from param_groups at each step, because that is where the factors stand; use "
                f"another optimiser"
            )

    def checksums(self) -> Tensor:
        """A number for each weight that changes with any one entry, and when rows, columns or entries change places.

        The sums of the bits over rows and over columns, each weighted by its place, modulo 2⁶⁴: exact, in any order of
        summation. An entry's weight is odd, so that no change of one entry is lost. Two reductions for each weight, and
        three operations for all together, because on small weights the calls are what it costs.
        """
        bits = [_bits(w.parameter) for w in self.weights]
        home = bits[0].device
        sums = [s.to(home) for b in bits for s in (b.sum(1, dtype=torch.int64), b.sum(0, dtype=torch.int64))]
        if self._places is None or self._places[0].device != home:
            self._places = _places(sums)
        weights, owners = self._places
        return sums[0].new_zeros(len(bits)).index_add_(0, owners, torch.cat(sums) * weights)

    def _counters(self) -> list[tuple[int, int]]:
        return [(w.parameter._version, w.parameter.data_ptr()) for w in self.weights]


def _bits(parameter: Tensor) -> Tensor:
    """(rows, the rest), as integers of the same bits."""
    return parameter.detach().contiguous().view(_INTEGER[parameter.element_size()]).flatten(1)


def _places(sums: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """What each sum is multiplied with, even for rows and odd for columns, and which weight it belongs to."""
    squares = [(torch.arange(1, len(s) + 1, device=s.device) * _ODD) ** 2 for s in sums]
    owners = [torch.full_like(s, n // 2) for n, s in enumerate(sums)]
    return torch.cat([2 * q + n % 2 for n, q in enumerate(squares)]), torch.cat(owners)
