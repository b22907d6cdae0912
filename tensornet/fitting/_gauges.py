"""Gauges of factors that were searched for."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .._arrays import Array
from .._errors import TensorNetError
from .._gauge import Gauge
from .._graph import is_tree
from .._tree import regauge
from ._scale import balanced

if TYPE_CHECKING:
    from .._format import Format

PASSES = 16  # over all indices: in a loop one bond's scales move another's, and a second call must find them settled


def check_gauge(fmt: "Format", gauge: Gauge) -> None:
    """Refuse what `in_gauge` cannot do, before a search is made for it."""
    if gauge == "identity" or (gauge != "balanced" and not is_tree(fmt.network.unshared)):
        raise TensorNetError(
            f"{type(fmt).__name__}: gauge {gauge!r}, needed 'balanced', because the factors are found by search: none is "
            f"the whole matrix, nor has a loop a centre with all others around it; take that"
        )


def in_gauge(fmt: "Format", factors: Sequence[Array], gauge: Gauge) -> list[Array]:
    """The same matrix in any gauge that a tree without a formula can have; of other networks, balanced.

    raises: TensorNetError for another gauge
    """
    check_gauge(fmt, gauge)
    if is_tree(fmt.network.unshared):
        return regauge(fmt.network, factors, gauge, fmt.central)
    return balanced(fmt.network, factors, passes=PASSES)
