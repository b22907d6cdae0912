"""Truncation: a smaller format, its factors, and how far they are from the original."""

from collections.abc import Callable
from dataclasses import dataclass, field

from .._arrays import Array
from .._cached import cached_property
from .._format import Format


@dataclass(frozen=True)
class Truncation:
    """What `truncate` gives back. Errors are relative to ‖W‖, in the Frobenius norm.

    format    of the smaller factors
    factors   (*lead, *format.shapes[k])
    bound     (*lead,) the error is at most this: √Σε² over all that was cut away, and the rounding of the dtype;
            infinite where rounding may be as large as W
    """

    format: Format
    factors: tuple[Array, ...]
    bound: Array
    _measure: Callable[[], Array] = field(repr=False, compare=False)

    @cached_property
    def error(self) -> Array:
        """(*lead,) the error itself, measured when it is first asked for, in the widest dtype of the library, to its rounding,
        which `bound` counts.
        """
        return self._measure()
