"""Cost: what a contraction takes, as integers that are known before an array is seen."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from .._pair import Pair
from .._path import Path


@dataclass(frozen=True)
class Cost:
    """One call, and the pullback of its gradient where gradients are asked for.

    flops            floating-point operations, a multiply-add counting two; backward_flops those of the pullback
    moved            bytes read and written: by each product its two operands and its result, by each copy both ways
    backward_moved   the same of the pullback
    kept             bytes that automatic differentiation keeps beside the operands: intermediates and copies of operands
    peak             bytes alive at once: operands, intermediates, copies and result; with gradients, theirs and `kept` too
    """

    flops: int
    backward_flops: int
    moved: int
    backward_moved: int
    kept: int
    peak: int


@dataclass(frozen=True)
class Work:
    """What of a path is done on each call, given the operands that are constant, and what is done once."""

    path: Path
    varies: tuple[bool, ...]

    @staticmethod
    def of(path: Path, constant: Collection[int] = ()) -> "Work":
        varies = [k not in constant for k in range(len(path.shapes))]
        for step in path.steps:
            varies.append(varies[step.left] or varies[step.right])
        return Work(path, tuple(varies))

    def forward(self, *, once: bool = False) -> Iterator[Pair]:
        for number, step in enumerate(self.path.steps, len(self.path.shapes)):
            if self.varies[number] is not once:
                yield step.forward

    def backward(self) -> Iterator[Pair]:
        """The products that pull a gradient back, in their order; to what is constant none is."""
        for step in reversed(self.path.steps):
            yield from (step.to_left,) * self.varies[step.left] + (step.to_right,) * self.varies[step.right]

    def kept(self, lead: int = 1) -> int:
        """Elements: each product keeps the operand that the gradient of the other one needs, as it was given it."""
        first, total = len(self.path.shapes), 0
        for step in self.path.steps:
            left, right = step.forward.left, step.forward.right
            if step.forward.swapped:
                left, right = right, left
            for number, side, other in ((step.left, left, step.right), (step.right, right, step.left)):
                made_here = number >= first and self.varies[number]
                total += (side.copied(lead) or lead * side.size * made_here) if self.varies[other] else 0
        return total


def cost(
    path: Path, *, itemsize: int = 4, lead: int = 1, gradients: bool = True, constant: Collection[int] = ()
) -> Cost:
    """The cost of one call of `path`.

    itemsize: bytes of an element
    lead: volume of the leading batch axes
    gradients: whether a gradient is pulled back to everything that is not constant
    constant: operands that stay as they are; what depends on them alone is made before, and counted by `preparation`
    """
    work = Work.of(path, constant)
    forward, backward = list(work.forward()), list(work.backward()) if gradients else []
    last = path.sizes[-1] * _copied_last(path)
    return Cost(
        flops=lead * sum(p.flops for p in forward),
        backward_flops=lead * sum(p.flops for p in backward),
        moved=itemsize * (sum(p.moved(lead) for p in forward) + 2 * lead * last),
        backward_moved=itemsize * (sum(p.moved(lead) for p in backward) + 2 * lead * last * gradients),
        kept=itemsize * work.kept(lead) if gradients else 0,
        peak=itemsize * (_training_peak(work, lead) if gradients else _peak(work, lead)),
    )


def preparation(path: Path, constant: Collection[int], *, itemsize: int = 4, lead: int = 1) -> Cost:
    """What is done once, however many calls follow."""
    work = Work.of(path, constant)
    pairs = list(work.forward(once=True))
    moved = itemsize * sum(p.moved(lead) for p in pairs)
    peak = itemsize * _peak(work, lead, once=True)
    return Cost(lead * sum(p.flops for p in pairs), 0, moved, 0, 0, peak)


def _copied_last(path: Path) -> bool:
    """Whether the result is copied at the end: into the order of the output, or where one operand alone would be it."""
    return path.reorders or not path.steps


def _held(work: Work) -> int:
    """Elements that are there when a call begins: what varies, and of what is constant the parts that it uses."""
    path, n = work.path, len(work.path.shapes)
    uses = [k for number, s in enumerate(path.steps, n) if work.varies[number] for k in (s.left, s.right)]
    parts = {k for k in range(n) if work.varies[k]} | {k for k in uses if not work.varies[k]}
    return sum(path.sizes[k] for k in parts)


def _peak(work: Work, lead: int, *, once: bool = False) -> int:
    """Elements without gradients: a result lives until it is used, a copy until the product that it is for."""
    path, n = work.path, len(work.path.shapes)
    held = lead * (sum(path.sizes[k] for k in range(n) if not work.varies[k]) if once else _held(work))
    peak = held
    for number, step in enumerate(path.steps, n):
        if work.varies[number] is once:
            continue
        peak = max(peak, held + _making(step.forward, lead))
        freed = [k for k in (step.left, step.right) if k >= n and work.varies[k] is not once]
        held += lead * (step.forward.size - sum(path.sizes[k] for k in freed))
    last = lead * path.sizes[-1] * _copied_last(path)
    return peak if once else max(peak, held + last)


def _making(pair: Pair, lead: int) -> int:
    """Elements that a product needs while it is made: copies of its operands and its result, then a copy of that."""
    made = lead * pair.size
    return max(pair.left.copied(lead) + pair.right.copied(lead) + made, 2 * made * pair.reorders)


def _training_peak(work: Work, lead: int) -> int:
    """Elements with gradients: all that was made or copied stays, and gradients come on top, each until it is used."""
    path, n = work.path, len(work.path.shapes)
    steps = [(number, s) for number, s in enumerate(path.steps, n) if work.varies[number]]
    made = [s.forward.size for _, s in steps]
    copies = sum(s.forward.left.copied(lead) + s.forward.right.copied(lead) for _, s in steps)
    reordered = lead * sum(s.forward.size for _, s in steps if s.forward.reorders)
    output = lead * path.sizes[-1]
    held = lead * (_held(work) + sum(made[:-1])) + copies + reordered
    last = output * _copied_last(path)
    peak = held + output * bool(path.steps) + last
    held += 2 * output  # the result and its gradient
    peak = max(peak, held + last)
    held += output * path.reorders
    for number, step in reversed(steps):
        for operand, pair in ((step.left, step.to_left), (step.right, step.to_right)):
            if work.varies[operand]:
                peak = max(peak, held + _making(pair, lead))
                held += lead * pair.size
        held -= lead * path.sizes[number] * (number < n + len(path.steps) - 1 or path.reorders)
    return peak
