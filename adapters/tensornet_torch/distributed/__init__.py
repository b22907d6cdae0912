"""Many processes: who owns which factors, and checkpoints for any number of them."""

from ._checkpoint import load as load
from ._owners import assign as assign
