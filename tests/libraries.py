"""The four array libraries that every law is tested on."""

import importlib
import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class Library:
    """An array library, loaded when it is first used.

    examples   how many random formats to try: JAX compiles every operation for every new shape
    """

    name: str
    module: str
    examples: int

    @cached_property
    def xp(self) -> Any:
        """Its array-API namespace."""
        xp = importlib.import_module(self.module)
        if self.name == "torch":
            importlib.import_module("torch").set_num_threads(1)
        return xp


LIBRARIES = (
    Library("strict", "array_api_strict", 10),
    Library("numpy", "array_api_compat.numpy", 15),
    Library("torch", "array_api_compat.torch", 15),
    Library("jax", "jax.numpy", 2),
)
EVERYTHING = os.environ.get("LAWS") == "all"  # `make laws`: everything in JAX too, which takes an hour
DTYPES = ("float32", "float64", "complex64")
BY_NAME = {library.name: library for library in LIBRARIES}


def in_turn(library: Library, number: int) -> Any:
    """A dtype for case `number`: over the libraries each case meets all three. None, which means all, in `make laws`."""
    return None if EVERYTHING else getattr(library.xp, DTYPES[(number + LIBRARIES.index(library)) % len(DTYPES)])
