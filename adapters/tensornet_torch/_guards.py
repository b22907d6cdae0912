"""Who else writes the planned weights: noticed before a step would undo it."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from tensornet import TensorNetError

from ._exchange import Exchange, local
from ._weight import Weight

GUARDS = ("values", "versions")

_GOLDEN = -0x61C8864680B583EB  # 2⁶⁴/φ, as a signed number
_WORD = {1: torch.uint8, 2: torch.int16, 4: torch.int32}
_CACHED = 2**16  # entries


class Guard:
    """Knows the weights as we wrote them.

    kind  "values": every weight is read at each step, and the host waits for the answer; nothing escapes
          "versions": a weight is read only where its version counter or its storage is another: no wait in an ordinary
          step, but what was written through `.data` or a NumPy view escapes
    """

    def __init__(self, exchange: Exchange, kind: str) -> None:
        if kind not in GUARDS:
            raise TensorNetError(
                f"overparameterize: unknown guard {kind!r}; there are {', '.join(GUARDS)}; choose 'values' if in doubt"
            )
        self.exchange, self.kind = exchange, kind
        self._odds: dict[tuple[int, int, torch.device], Tensor] = {}
        self.note()

    def note(self) -> None:
        """The weights as they stand are ours."""
        self.noted, self._versions = self.checksums(), self._counters()

    def changed(self) -> list[str]:
        """Names of the weights that are not, on some process, as they were noted."""
        names, counters = tuple(self.exchange.parameters), self._counters()
        if self.kind == "versions" and counters == self._versions:
            differ = [False] * len(names)
        else:
            differ = (self.checksums() != self.noted).tolist()
        changed = [n for n, answers in zip(names, self.exchange.answers(differ), strict=True) if True in answers]
        if not changed:  # the same bits were written back
            self._versions = counters
        return changed

    def refuse_changed(self) -> None:
        names = self.changed()
        if names:
            raise TensorNetError(
                f"overparameterize: somebody else wrote {', '.join(names)} since the last step (a loaded checkpoint, an EMA "
                f"swap?); the next step would undo that, because the factors are the truth; put the old values back, or "
                f"call optimizer.resync() to decompose the new ones"
            )

    def checksums(self) -> Tensor:
        """A number for each weight that changes with any one entry, and when rows, columns or entries change places.

        Σ_ij r_i b_ij c_j of the bits b modulo 2⁶⁴, r and c odd and without relation: exact, in any order of summation. No
        change of one entry is lost, nor of the signs of many, because words have 32 bits at most.
        """
        bits = [_bits(local(p.detach())) for p in self.exchange.parameters.values()]
        home = bits[0].device
        sums = [_by_columns(b, self._known(b.shape[1], 1, b.device)).to(home) for b in bits]
        rows = [self._known(len(s), 2, home) for s in sums]
        counts = [len(s) for s in sums]
        # output_size spares a GPU's host the wait for it
        owners = torch.repeat_interleave(torch.tensor(counts, device=home), output_size=sum(counts))
        return sums[0].new_zeros(len(bits)).index_add_(0, owners, torch.cat(sums) * torch.cat(rows))

    def _known(self, n: int, salt: int, device: torch.device) -> Tensor:
        """`_odd`, worked out once."""
        key = (n, salt, device)
        if key not in self._odds:
            self._odds[key] = _odd(n, salt, device)
        return self._odds[key]

    def _counters(self) -> list[tuple[int, int, int]]:
        """Of a DTensor both count: its own, what is done to it, and its shard's."""
        with torch.no_grad():
            held = [(p, local(p)) for p in self.exchange.parameters.values()]
        return [(p._version, shard._version, shard.data_ptr()) for p, shard in held]


def _bits(tensor: Tensor) -> Tensor:
    """(rows, the rest), as integers of the same bits, of 32 at most."""
    width = min(tensor.element_size(), 4)
    columns = math.prod([*tensor.shape[1:]]) * tensor.element_size() // width
    flat = tensor.contiguous().reshape(
        -1
    )  # first, because an axis of size 1 may have any stride and count as contiguous
    return flat.view(_WORD[width]).reshape(len(tensor), columns)


def _by_columns(bits: Tensor, odd: Tensor) -> Tensor:
    """Σ_j b_ij c_j, on a CPU some rows at a time, whose products stay in its cache."""
    rows = max(1, _CACHED // max(1, bits.shape[1])) if bits.device.type == "cpu" else len(bits)
    return torch.cat([(part * odd).sum(1) for part in bits.split(rows)])


def _odd(n: int, salt: int, device: torch.device) -> Tensor:
    """n odd numbers that look random: places, mixed as SplitMix64 does (Steele et al. 2014, doi 10.1145/2714064.2660195)."""
    x = torch.arange(salt << 40, (salt << 40) + n, device=device) * _GOLDEN
    x = (x ^ (x >> 30)) * -0x40A7B892E31B1A47
    x = (x ^ (x >> 27)) * -0x6B2FB644ECCEEE15
    return (x ^ (x >> 31)) | 1


class Proof:
    """That an inner optimiser steps on the factors: one that keeps parameters elsewhere than in its groups does not."""

    def __init__(self, weights: Iterable[Weight], guard: Guard) -> None:
        self._guard, self._factors = guard, [f for w in weights for f in w.factors]
        self._before = self._marks()

    def found(self, optimizer: torch.optim.Optimizer) -> bool:
        """After a step: whether a factor moved. At a rate of 0, say, none does, and the next step has to tell. Who owns none
        has nothing to prove.
        """
        if not torch.equal(self._guard.checksums(), self._guard.noted):
            raise TensorNetError(
                f"overparameterize: {type(optimizer).__name__} stepped on dense weights instead of their factors; it must "
                f"read its parameters from param_groups at each step, because that is where the factors stand; use "
                f"another optimiser"
            )
        return not self._factors or not torch.equal(self._marks(), self._before)

    def _marks(self) -> Tensor:
        """Of each factor the sum of its bits: a version counter would not do, because fused optimisers leave it alone."""
        sums = [_bits(f.detach()[None]).sum(dtype=torch.int64) for f in self._factors]
        return torch.stack([s.to(sums[0].device) for s in sums]) if sums else torch.zeros(0)
