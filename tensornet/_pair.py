"""Pair: one matrix product of two tensors, and which of its operands it has to copy."""

import math
from dataclasses import dataclass, replace

Indices = tuple[str, ...]


@dataclass(frozen=True)
class Side:
    """How an operand becomes a stack of matrices: permuted by `order`, neighbouring axes merged.

    copies       the permuted axes do not merge in place, or would leave matrices that BLAS does not take
    strided      the stack is not the outermost axis: in place as it is, but a copy behind lead axes, which join the stack
    transposed   `order` makes the transposed matrices: a copy is quicker where the first axis stays the first
    """

    order: tuple[int, ...]
    size: int
    copies: bool
    strided: bool
    transposed: bool

    @staticmethod
    def plan(stored: Indices, groups: tuple[Indices, ...], size: dict[str, int]) -> "Side":
        """`groups` are (batch, rows, columns) of the matrices."""
        merges = all(
            stored[stored.index(group[0]) :][: len(group)] == group  # a run of the memory, in its order
            for group in groups
            if group
        )
        batch, rows, cols = groups
        copies = not merges or (bool(batch) and stored[-1] in batch and stored != batch)
        transposed = copies and (stored[-1] in rows if batch else stored[0] in cols[:1])
        return Side(
            order=tuple(stored.index(i) for i in batch + (cols + rows if transposed else rows + cols)),
            size=volume(stored, size),
            copies=copies,
            strided=bool(batch) and stored[: len(batch)] != batch,
            transposed=transposed,
        )

    def copied(self, lead: int = 1) -> int:
        """Elements of the copy, none where there is none; `lead` is the volume of the lead axes."""
        return lead * self.size if self.copies or (lead > 1 and self.strided) else 0


@dataclass(frozen=True)
class Pair:
    """One matrix product: out = Σ_summed left · right, over indices in `batch` at once.

    left is brought to (batch, rows, summed), right to (batch, summed, cols); their product (batch, rows, cols), split
    into its indices again, is permuted by `order`. If `swapped`, the operands have changed places: Cᵀ = Bᵀ Aᵀ.
    """

    left: Side
    right: Side
    batch: int
    rows: int
    summed: int
    cols: int
    shape: tuple[int, ...]
    order: tuple[int, ...]
    swapped: bool = False

    @property
    def flops(self) -> int:
        return 2 * self.batch * self.rows * self.summed * self.cols

    @property
    def size(self) -> int:
        """Elements of the product."""
        return self.batch * self.rows * self.cols

    @property
    def reorders(self) -> bool:
        return self.order != tuple(range(len(self.order)))

    def copied(self, lead: int = 1) -> int:
        """Elements that are copied before or after the product, each read once and written once."""
        return self.left.copied(lead) + self.right.copied(lead) + (lead * self.size if self.reorders else 0)

    def moved(self, lead: int = 1) -> int:
        """Elements read and written: by the product once each, and by the copies."""
        return lead * (self.left.size + self.right.size + self.size) + 2 * self.copied(lead)

    @staticmethod
    def plan(left: Indices, right: Indices, out: Indices, size: dict[str, int]) -> "Pair":
        """The product in the order of `out`, the operands in that order of the two that saves a copy of the result."""
        natural = Pair._plan(left, right, out, size)
        if not natural.reorders:
            return natural
        swapped = Pair._plan(right, left, out, size)
        return natural if swapped.reorders else replace(swapped, swapped=True)

    @staticmethod
    def _plan(left: Indices, right: Indices, out: Indices, size: dict[str, int]) -> "Pair":
        # Each group stands in the order of the result, so that it need not be reordered if its groups stand apart in it.
        batch = tuple(i for i in out if i in left and i in right)
        rows = tuple(i for i in out if i not in right)
        cols = tuple(i for i in out if i not in left)
        longer = left if volume(left, size) >= volume(right, size) else right  # the shorter one is cheaper to copy
        summed = tuple(i for i in longer if i in left and i in right and i not in out)
        product = batch + rows + cols
        return Pair(
            left=Side.plan(left, (batch, rows, summed), size),
            right=Side.plan(right, (batch, summed, cols), size),
            batch=volume(batch, size),
            rows=volume(rows, size),
            summed=volume(summed, size),
            cols=volume(cols, size),
            shape=tuple(size[i] for i in product),
            order=tuple(product.index(i) for i in out),
        )


def volume(indices: Indices, size: dict[str, int]) -> int:
    return math.prod([size[i] for i in indices])
