"""Machine: its formula by hand, its rates measured on a device whose rates are known, and what follows from them."""

from math import inf

import numpy as np
import pytest

import tensornet as tn
from tensornet._pair import Pair
from tensornet.cost import choose

SLOW = tn.Machine(flops=100.0, bytes=10.0, copies=5.0, fresh=2.0, cache=64, overhead=1000.0, matrix=10.0, narrow=1.0)
CALLS = tn.Machine(flops=inf, bytes=inf, copies=inf, fresh=inf, cache=0, overhead=1.0, matrix=0.0, narrow=0.0)


@pytest.mark.parametrize(
    ("sizes", "seconds"),
    [
        # 36 operations at 100·¾·¾·½, 4·2·(9 + 3 + 3) bytes at 10; 24 bytes of result are in the cache
        ((2, 3, 3, 1), 12.0 + 1000 + 10),
        # 2·80³ operations at 100·(80/81)³ take longer than 4·3·80² bytes at 10; 25,600 bytes of result, 64 in the cache
        ((1, 80, 80, 80), 2 * 80**3 / (100 * (80 / 81) ** 3) + (25600 - 64) / 2 + 1000),
    ],
)
def test_a_product_by_hand(sizes, seconds):
    assert SLOW.product_seconds(*sizes) == pytest.approx(seconds, rel=1e-12)


def test_a_copy_by_hand():
    """Read and written at `copies`, into memory beyond the cache at `fresh`; nothing to copy takes no call."""
    assert SLOW.copy_seconds(0, 4) == 0.0
    assert SLOW.copy_seconds(16, 4) == 2 * 64 / 5 + 1000
    assert SLOW.copy_seconds(16, 8) == 2 * 128 / 5 + 64 / 2 + 1000


def test_a_pair_is_its_product_and_its_copies():
    size = {"a": 2, "b": 3, "c": 4}
    straight, crooked = (
        Pair.plan(("a", "b"), ("b", "c"), ("a", "c"), size),
        Pair.plan(("a", "c", "b"), ("c", "a"), ("b",), size),
    )
    assert SLOW.seconds(straight) == SLOW.product_seconds(1, 2, 3, 4)
    assert SLOW.seconds(straight, itemsize=8, lead=5) == SLOW.product_seconds(5, 2, 3, 4, 8)
    copied = crooked.copied(2)
    assert copied > 0
    product = SLOW.product_seconds(2 * crooked.batch, crooked.rows, crooked.summed, crooked.cols, 8)
    assert SLOW.seconds(crooked, itemsize=8, lead=2) == product + SLOW.copy_seconds(copied, 8)


# ---- a device of known rates ----------------------------------------------------------------------------------------


class Device:
    """An array library and its clock: calls take as long as SPEC says, and nothing else takes time."""

    float32 = "float32"

    def __init__(self, overhead=2e-6, flops=1e12, bytes=4e10, copies=2e10):
        self.now, self.overhead, self.flops, self.bytes, self.copies = 0.0, overhead, flops, bytes, copies
        self.calls = 0

    def perf_counter(self):
        return self.now

    def ones(self, shape, dtype):
        assert dtype == self.float32
        return np.ones(shape, dtype=np.float32)

    def matmul(self, a, b):
        """Of one row, the matrix is read; of tiny ones, nothing takes long."""
        (m, k), (_, n) = a.shape, b.shape
        work = 0.0 if k < 100 else 4 * k * n / self.bytes if m == 1 else 2 * m * k * n / self.flops
        self.calls += 1
        self.now += work + self.overhead * (1.0 if self.calls % 5 else 3.0)  # some calls are slower than they should be
        return np.zeros((m, n))

    def permute_dims(self, x, axes):
        assert axes == (1, 0, 2)
        self.now += 2 * x.nbytes / self.copies + self.overhead
        return x

    def reshape(self, x, shape):
        return x.reshape(shape)


def measured(monkeypatch, device, **options):
    monkeypatch.setattr("tensornet.cost._machine.array_namespace", lambda x: device)
    monkeypatch.setattr("tensornet.cost._machine.time", device)
    return tn.Machine.measured(np, **options)


def test_known_rates_are_measured(monkeypatch):
    """The quickest of several calls counts, the overhead taken off."""
    machine = measured(monkeypatch, Device(), seconds=0.01)
    assert machine.overhead == pytest.approx(2e-6, rel=1e-6)
    assert machine.flops == pytest.approx(1e12, rel=1e-6)
    assert machine.bytes == pytest.approx(4e10, rel=1e-6)
    assert machine.copies == pytest.approx(2e10, rel=1e-6)
    assert machine.fresh == pytest.approx(2e10 / 3, rel=1e-6)
    assert (machine.cache, machine.matrix, machine.narrow) == (tn.Machine.cache, tn.Machine.matrix, tn.Machine.narrow)


def test_a_device_too_quick_to_time_has_high_rates_and_no_negative_ones(monkeypatch):
    machine = measured(monkeypatch, Device(flops=inf, bytes=inf, copies=inf))
    n = 768
    assert machine.flops == 2 * n**3 / 1e-9
    assert machine.bytes == 4 * n**2 / 1e-9
    assert machine.copies == 32 * n**2 / 1e-9


@pytest.mark.parametrize(("seconds", "calls"), [(0.0, 2), (1.5, 2), (3.5, 4)])
def test_calls_are_repeated_while_there_is_time_and_at_least_once(monkeypatch, seconds, calls):
    from tensornet.cost._machine import _best

    device = Device()
    monkeypatch.setattr("tensornet.cost._machine.time", device)
    turns = iter([9.0, 1.0, 1.0, 1.0, 1.0] if seconds < 1 else [1.0] * 9)

    def call():
        device.calls += 1
        device.now += next(turns)
        return np.ones((2, 2))

    assert _best(call, seconds) == 1.0
    assert device.calls == calls


# ---- what follows ---------------------------------------------------------------------------------------------------


def seconds(fmt, name, **options):
    found = choose(fmt.network, options.pop("batch", 5), machine=CALLS, **options).candidates
    return next(c.seconds for c in found if c.name == name)


def test_where_only_calls_take_time_they_are_counted():
    """Two products forwards, two backwards for each of them; what is constant is made once for all calls."""
    pair = tn.LowRank(6, 4, 3)
    assert seconds(pair, "factored", gradients=False) == 2
    assert seconds(pair, "factored") == 6
    assert seconds(pair, "dense", gradients=False, constant=(0, 1), calls=4) == 1 + 1 / 4
    assert seconds(pair, "dense", gradients=True, constant=(0, 1), calls=4) == 2 + 1 / 4


def test_the_last_reordering_is_paid_forwards_and_backwards():
    """The rows of a Kronecker product end up in the order (batch, b, a), and are put in order by one more call."""
    fmt = tn.Kronecker((3, 2), (2, 3))
    ways = {g: choose(fmt.network, 5, machine=CALLS, gradients=g).candidates for g in (False, True)}
    for without, with_ in zip(*(sorted(w, key=lambda c: c.name) for w in ways.values()), strict=True):
        path, forward = without.path, [s.forward for s in without.path.steps]
        both = [*forward, *(p for s in path.steps for p in (s.to_left, s.to_right))]
        assert without.seconds == sum(1 + (p.copied() > 0) for p in forward) + path.reorders
        assert with_.seconds == sum(1 + (p.copied() > 0) for p in both) + 2 * path.reorders
