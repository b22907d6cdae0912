"""Machine: how long a product takes, from a handful of rates of which only the ratios matter."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from array_api_compat import array_namespace

from .._pair import Pair


@dataclass(frozen=True)
class Machine:
    """Rates of a device. The defaults are those of one core of a server CPU in float32; what they decide, ratios decide.

    flops      operations per second of a large matrix product
    bytes      bytes per second that a product reads and writes
    copies     bytes per second, read and written, of a permutation in memory
    fresh      bytes per second at which the system hands out the memory of results and copies, beyond the first `cache` bytes
    overhead   seconds of each call into the array library
    matrix     seconds of each matrix of a stack, beside the first
    narrow     a product reaches Π n / (n + narrow) of `flops`, over its rows, columns and summed size n: of a side of
               `narrow` entries half the vector registers stay empty
    """

    flops: float = 1.3e11
    bytes: float = 6e10
    copies: float = 3e10
    fresh: float = 1e10
    cache: int = 2**20
    overhead: float = 3e-6
    matrix: float = 3e-7
    narrow: float = 4.0

    def seconds(self, pair: Pair, *, itemsize: int = 4, lead: int = 1) -> float:
        """The time of a product and of the copies that it needs."""
        product = self.product_seconds(lead * pair.batch, pair.rows, pair.summed, pair.cols, itemsize)
        return product + self.copy_seconds(pair.copied(lead), itemsize)

    def product_seconds(self, batch: int, rows: int, summed: int, cols: int, itemsize: int = 4) -> float:
        """t = max(operations / rate, bytes / rate) + what makes room for the result + overheads."""
        rate = self.flops
        for n in (rows, summed, cols):
            rate *= n / (n + self.narrow)
        moved = itemsize * batch * (rows * summed + summed * cols + rows * cols)
        operations = 2 * batch * rows * summed * cols
        room = self._room_seconds(itemsize * batch * rows * cols)
        return max(operations / rate, moved / self.bytes) + room + self.overhead + self.matrix * (batch - 1)

    def copy_seconds(self, elements: int, itemsize: int) -> float:
        size = itemsize * elements
        return 2 * size / self.copies + self._room_seconds(size) + self.overhead if elements else 0.0

    def _room_seconds(self, size: int) -> float:
        return max(0, size - self.cache) / self.fresh

    @staticmethod
    def measured(xp: Any, *, seconds: float = 0.1) -> "Machine":
        """The rates of the array library `xp` in float32 on its default device, measured now, each for about `seconds`.

        xp: numpy, torch, jax.numpy, …
        """
        xp = array_namespace(xp.asarray([0.0]))
        n = 768
        a, b = (xp.ones((n, n), dtype=xp.float32) for _ in range(2))
        tall, tiny = xp.ones((n, n, 4), dtype=xp.float32), a[:2, :2]
        row = a[:1, :]

        def copied() -> Any:
            return xp.reshape(xp.permute_dims(tall, (1, 0, 2)), (-1,))

        overhead = _best(lambda: xp.matmul(tiny, tiny), seconds)
        product = _best(lambda: xp.matmul(a, b), seconds) - overhead
        vector = _best(lambda: xp.matmul(row, b), seconds) - overhead
        permuted = max(_best(copied, seconds) - overhead, 1e-9)
        copies = 2 * 4 * 4 * n * n / permuted
        return Machine(
            flops=2 * n**3 / max(product, 1e-9),
            bytes=4 * n * n / max(vector, 1e-9),
            copies=copies,
            fresh=copies / 3,
            overhead=overhead,
        )


def _best(call: Callable[[], Any], seconds: float) -> float:
    """The quickest of the calls that `seconds` allow, two at least; reading one entry waits for an asynchronous device."""
    best, end = float("inf"), time.perf_counter() + seconds
    for turn in range(10_000):
        begin = time.perf_counter()
        result = call()
        float(result[(0,) * result.ndim])
        now = time.perf_counter()
        best = min(best, now - begin)
        if turn and now > end:
            break
    return best
