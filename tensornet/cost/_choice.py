"""Choice: dense or factored, whichever is quicker among those that fit into memory."""

from collections.abc import Collection
from dataclasses import dataclass

from .._cached import cached_property
from .._errors import TensorNetError
from .._network import Network
from .._path import Order, Path
from ._cost import Cost, Work, cost, preparation
from ._machine import Machine
from ._orders import Orders


@dataclass(frozen=True)
class Candidate:
    """One way round: its name, its order, what each call costs and what is paid once, and the time of a call with its
    share of the latter.
    """

    name: str
    path: Path
    order: Order
    cost: Cost
    once: Cost
    seconds: float


@dataclass(frozen=True)
class Choice:
    """The candidates, quickest first, and which of them `apply` takes. As text, a table of them that says why.

    memory: bytes that may be alive at once, operands and result included, or None
    """

    who: str
    batch: int
    candidates: tuple[Candidate, ...]
    memory: int | None
    gradients: bool
    constant: tuple[int, ...]
    calls: int
    beside: int = 0

    @cached_property
    def chosen(self) -> Candidate:
        """The quickest that fits.

        raises: TensorNetError if none does, which says how much the least needs
        """
        fitting = [c for c in self.candidates if self.fits(c)]
        if not fitting:
            least = min(self.candidates, key=lambda c: self.needs(c))
            raise TensorNetError(
                f"{self.who}: nothing fits memory={self.memory} bytes at a batch of {self.batch}, needed {self.needs(least)} "
                f"for the least, {least.name}{', with what gradients keep' if self.gradients else ''}; raise the limit, split "
                f"the batch{', or pass gradients=False where none are taken' if self.gradients else ''}"
            )
        return fitting[0]

    def needs(self, candidate: Candidate) -> int:
        """Bytes: of a call, or of what is prepared for it."""
        return max(candidate.cost.peak + self.beside, candidate.once.peak)

    def fits(self, candidate: Candidate) -> bool:
        return self.memory is None or self.needs(candidate) <= self.memory

    def __str__(self) -> str:
        from ._table import table

        return table(self)


def choose(
    network: Network,
    batch: int,
    *,
    who: str = "apply",
    lead: int = 1,
    itemsize: int = 4,
    gradients: bool = True,
    constant: Collection[int] = (),
    calls: int = 1,
    memory: int | None = None,
    beside: int = 0,
    machine: Machine | None = None,
) -> Choice:
    """Price every way to compute x @ W.T for x (batch, cols).

    lead: volume of leading batch axes that factors and x share
    itemsize: bytes of an element
    gradients: count the pullback too, and the memory of what it needs
    constant: factors that stay as they are over `calls` calls: what depends on them alone is paid once
    memory: bytes that may be alive at once
    beside: bytes of the call that no operand or product takes, e.g. of x before it is padded
    machine: rates of the device
    """
    machine, constant = machine or Machine(), frozenset(constant)
    candidates = []
    for name, order in Orders(network, batch, constant, calls, machine).found().items():
        path = Path.of_product(network, batch, order)
        call = cost(path, itemsize=itemsize, lead=lead, gradients=gradients, constant=constant)
        once = preparation(path, constant, itemsize=itemsize, lead=lead)
        seconds = _seconds(path, constant, machine, itemsize, lead, gradients, calls)
        candidates.append(Candidate(name, path, order, call, once, seconds))
    candidates.sort(key=lambda c: c.seconds)
    return Choice(who, batch, tuple(candidates), memory, gradients, tuple(sorted(constant)), calls, beside)


def _seconds(
    path: Path, constant: Collection[int], machine: Machine, itemsize: int, lead: int, gradients: bool, calls: int
) -> float:
    work = Work.of(path, constant)
    each = [*work.forward(), *(work.backward() if gradients else ())]
    last = machine.copy_seconds(lead * path.sizes[-1] * path.reorders, itemsize) * (1 + gradients)
    once = sum(machine.seconds(p, itemsize=itemsize, lead=lead) for p in work.forward(once=True))
    return sum(machine.seconds(p, itemsize=itemsize, lead=lead) for p in each) + last + once / calls
