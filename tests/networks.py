"""Networks of every kind of graph, without a format that fills them."""

from dataclasses import dataclass
from typing import Any, ClassVar

import tensornet as tn

SIZES = (("i", 4), ("j", 5), ("k", 3), ("l", 2), ("r", 3), ("s", 2), ("t", 6), ("n", 3), ("u", 1))


def _network(factors: str, rows: str, cols: str) -> tn.Network:
    held = set(factors)
    sizes = tuple((i, s) for i, s in SIZES if i in held)
    return tn.Network(tuple(tuple(f) for f in factors.split()), tuple(rows), tuple(cols), sizes)


NETWORKS = {
    "one factor": _network("ij", "i", "j"),
    "no bond": _network("i j", "i", "j"),
    "tree": _network("ir js kt rstl", "ik", "jl"),
    "wide bond": _network("it tj", "i", "j"),
    "ring": _network("rijs skt tlr", "ik", "jl"),
    "hyperedge": _network("ir jr kr lr", "ik", "jl"),
    "hyperedge and loop": _network("irs jrt krst", "ik", "j"),
    "stack": _network("nir nrj", "ni", "j"),
    "stack seen by two of three": _network("nir rks nsj", "ni", "kj"),
    "factor without rows or columns": _network("irs rst tkj", "i", "kj"),
    "two parts": _network("ir rj ks sl", "ik", "jl"),
    "ends of size 1": _network("uirt tsj rs", "i", "j"),
}


@dataclass(frozen=True)
class Bare(tn.Format):
    """A format that is a network and nothing more."""

    name: ClassVar[str] = "bare"
    net: tn.Network

    @property
    def network(self) -> tn.Network:
        return self.net

    def _fill(self, w: Any, gauge: Any) -> Any:
        raise NotImplementedError
