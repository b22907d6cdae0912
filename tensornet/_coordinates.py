"""Coordinates: a weight as a function of other arrays, which are trained in its place."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from ._arrays import Array
from ._errors import TensorNetError
from ._gauge import Gauge


class Coordinates(ABC):
    """A weight W = contract(factors), and all that training its factors takes: where they start, W, and dL/dW → dL/dT_k.

    Of a tensor format W is linear in each factor; of a generator (Weight Distillation) it is not.
    """

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Of the weight: (out, in), (out, in, *kernel), or of a vector (n,)."""

    @property
    @abstractmethod
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of each factor."""

    @property
    @abstractmethod
    def exact(self) -> bool:
        """Whether `start` gives factors of the very weight that it is given."""

    @property
    @abstractmethod
    def flops(self) -> int:
        """Operations of a training step on the factors: contract and pull back once, a multiply-add counting two."""

    @property
    def num_params(self) -> int:
        """Entries of all factors together."""
        return sum(math.prod(s) for s in self.shapes)

    @property
    def scale(self) -> float:
        """Parameters of the factors over those of the dense weight."""
        return self.num_params / math.prod(self.shape)

    @abstractmethod
    def decompose(self, w: Array, /, *, gauge: Gauge = "balanced", check_finite: bool = True) -> tuple[Array, ...]:
        """Factors whose contraction is w (*shape)."""

    def start(self, w: Array, /, *, gauge: Gauge = "balanced", check_finite: bool = True) -> tuple[Array, ...]:
        """The factors that training begins with, in the place of w: here those of w itself."""
        return self.decompose(w, gauge=gauge, check_finite=check_finite)

    @abstractmethod
    def contract(self, factors: Sequence[Array], /) -> Array:
        """W (*lead, *shape) from its factors (*lead, *shapes[k])."""

    @abstractmethod
    def with_products(self, factors: Sequence[Array], /) -> tuple[Array, tuple[Array, ...]]:
        """`contract`, and what it makes on the way to W, for a `pullback` that does not make it again."""

    @abstractmethod
    def pullback(
        self, factors: Sequence[Array], gradient: Array, /, *, products: Sequence[Array] | None = None
    ) -> tuple[Array, ...]:
        """dL/dT_k of every factor from dL/dW (*lead, *shape); products: of `with_products` at these factors."""

    def linearize(self, factors: Sequence[Array], /) -> tuple[Array, Callable[[Array], tuple[Array, ...]]]:
        """`contract`, and `pullback` as a function of dL/dW alone: the two share their products, which stay alive."""
        w, products = self.with_products(factors)
        return w, lambda gradient: self.pullback(factors, gradient, products=products)

    def check_factors(self, factors: Sequence[Array], /) -> tuple[int, ...]:
        """Refuse factors whose trailing shapes are not `shapes`; returns the leading batch axes they share."""
        got = [tuple(getattr(f, "shape", ())) for f in factors]
        leads = {g[: max(len(g) - len(s), 0)] for g, s in zip(got, self.shapes, strict=False)}
        fits = len(got) == len(self.shapes) and all(
            g[len(g) - len(s) :] == s for g, s in zip(got, self.shapes, strict=True)
        )
        if not fits or len(leads) != 1:
            raise TensorNetError(
                f"{type(self).__name__}: got factors of shapes {got}, needed {list(self.shapes)} (after the same leading batch "
                f"axes in all), because that is what this format declares; pass the format they were made with"
            )
        return leads.pop()

    def _check_gradient(self, gradient: Array, lead: tuple[int, ...]) -> None:
        got = tuple(getattr(gradient, "shape", ()))
        if got[-len(self.shape) :] != self.shape or (lead and got[: -len(self.shape)] != lead):
            raise TensorNetError(
                f"{type(self).__name__}.pullback: the gradient has shape {got}, needed {lead + self.shape}, because it is that "
                f"of W (out, in) with the batch axes of the factors; transpose it if it is of a kernel"
            )

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Plain data: two of equal data make the same of equal factors."""


C = TypeVar("C", bound=Coordinates)


class Coordinated(Mapping[str, C], Generic[C]):
    """Weight name → its coordinates, with what an adapter must know of the weights themselves; a `Plan` is one.

    transposed  names of weights that their framework stores as (in, out), as JAX kernels are
    stacked     weight name → how many layers its leading axis counts
    """

    transposed: frozenset[str]
    stacked: Mapping[str, int]

    @abstractmethod
    def to_json(self) -> str:
        """Plain data as text, the same for plans that are the same."""
