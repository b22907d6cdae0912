"""Applicable: the methods of a format that compute x @ W.T, and say what that costs."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import Any

from .._arrays import Array
from .._cached import cached_property
from .._network import Network
from .._path import Path
from ._apply import Applied, apply, explain, prepare
from ._choice import Choice
from ._cost import Cost, cost
from ._machine import Machine


class Applicable(ABC):
    """What a format inherits of this, and what it has to say of itself for it."""

    @property
    @abstractmethod
    def network(self) -> Network:
        """Which factor carries which index."""

    @property
    @abstractmethod
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of each factor."""

    @property
    @abstractmethod
    def matrix_shape(self) -> tuple[int, int]:
        """(out, features); at most what the network contracts to."""

    @property
    @abstractmethod
    def path(self) -> Path:
        """The contraction of the factors to the matrix."""

    @abstractmethod
    def check_factors(self, factors: Sequence[Array], /) -> tuple[int, ...]:
        """The leading batch axes that `factors` share."""

    def apply(
        self,
        factors: Sequence[Array],
        x: Array,
        /,
        *,
        memory: int | None = None,
        gradients: bool = True,
        machine: Machine | None = None,
    ) -> Array:
        """x @ W.T, the quicker way round: through W or through the factors. `explain` says which, and why.

        factors: (*lead, *shapes[k])
        x: (*lead, …, in), or of a weight with a kernel (*lead, …, in·kernel), as torch.nn.functional.unfold makes it
        memory: bytes that may be alive at once, x, factors and result included; None is no limit
        gradients: choose for a forward and a backward pass, with what is kept between; False where no gradient is taken
        machine: rates to choose by; None takes those of a CPU core
        returns: (*lead, …, out)
        raises: TensorNetError for x of another shape, or if nothing fits into memory
        """
        return apply(self, factors, x, memory=memory, gradients=gradients, machine=machine)

    def prepare(
        self,
        factors: Sequence[Array],
        /,
        *,
        batch: int,
        calls: int,
        constant: Collection[int] | None = None,
        memory: int | None = None,
        gradients: bool = False,
        machine: Machine | None = None,
    ) -> Applied:
        """`apply` for factors that stay as they are over many calls: what depends on them alone is contracted once, now.

        batch, calls: rows of x in a call, and number of calls, to choose by
        constant: numbers of those factors, which get no gradient; None is all of them
        returns: a function of x and the other factors
        raises: TensorNetError as `apply`, and for numbers that are no factors
        """
        options = {"memory": memory, "gradients": gradients, "machine": machine}
        return prepare(self, factors, batch=batch, calls=calls, fixed=constant, **options)

    def explain(self, batch: int, /, **options: Any) -> Choice:
        """What `apply` (or `prepare`, given `constant` and `calls`) chooses for x (batch, in); as text, a table of it.

        options: those of `apply`; constant, calls; lead, volume of the leading axes; itemsize, bytes of an element (4)
        """
        return explain(self, batch, **options)

    def cost(self, batch: int | None = None, /, *, itemsize: int = 4, gradients: bool = True) -> Cost:
        """What `contract` costs, or `apply` to x (batch, in)."""
        if batch is None:
            return cost(self.path, itemsize=itemsize, gradients=gradients)
        return self.explain(batch, itemsize=itemsize, gradients=gradients).chosen.cost

    @cached_property
    def _choices(self) -> dict[Any, Path]:
        return {}
