"""So many threads in every linear algebra that is loaded."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

THREADS = (1, 2)


@contextmanager
def threads(number: int) -> Iterator[None]:
    """NumPy's BLAS and PyTorch with `number` threads, and as before afterwards. JAX's pool cannot be set once it runs."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 0
    if torch:
        torch.set_num_threads(number)
    try:
        with threadpool_limits(number):
            yield
    finally:
        if torch:
            torch.set_num_threads(before)
