"""Network: which factor carries which index. No array has been seen yet."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from ._errors import TensorNetError


@dataclass(frozen=True)
class Network:
    """A tensor network whose contraction is a matrix.

    factors   index names of each factor, e.g. (("i0", "b"), ("b", "j0"))
    rows      the indices whose product is the row of the matrix, most significant first
    cols      the same for its columns
    sizes     (index, size) pairs, one for each index
    shapes    of the factors
    shape     (rows, cols) of the matrix

    An index held by one factor only and in neither rows nor cols must have size 1 (the outer bonds of a chain).
    """

    factors: tuple[tuple[str, ...], ...]
    rows: tuple[str, ...]
    cols: tuple[str, ...]
    sizes: tuple[tuple[str, int], ...]
    # Asked for at every call of a format, so worked out once.
    shapes: tuple[tuple[int, ...], ...] = field(init=False, repr=False, compare=False)
    shape: tuple[int, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        held = Counter(i for f in self.factors for i in f) + Counter(self.output)
        size = self.size
        for index, count in held.items():
            if index not in size:
                raise TensorNetError(f"Network: index {index!r} has no size; name every index in sizes")
            if count == 1 and size[index] != 1:
                raise TensorNetError(
                    f"Network: index {index!r} of size {size[index]} is held once; it must join two factors or be a row "
                    f"or column, because nothing else would sum it; add it to rows or cols"
                )
        for f in (*self.factors, self.output):
            if len(set(f)) != len(f):
                raise TensorNetError(f"Network: {f} repeats an index; traces are not supported, name the two apart")
        if any(s < 1 for s in size.values()):
            raise TensorNetError(f"Network: sizes must be at least 1, got {size}; leave an empty index out")
        object.__setattr__(self, "shapes", tuple(tuple(size[i] for i in f) for f in self.factors))
        shape = tuple(math.prod([size[i] for i in part]) for part in (self.rows, self.cols))
        object.__setattr__(self, "shape", shape)

    @property
    def output(self) -> tuple[str, ...]:
        return self.rows + self.cols

    @property
    def size(self) -> Mapping[str, int]:
        return dict(self.sizes)

    @property
    def bonds(self) -> tuple[str, ...]:
        """The indices that join exactly two factors and are neither row nor column, in order of appearance."""
        held = Counter(i for f in self.factors for i in f)
        return tuple(i for i in held if held[i] == 2 and i not in self.output)

    @property
    def summed(self) -> tuple[str, ...]:
        """The indices that are summed over: the bonds, and those that join more factors than two."""
        held = Counter(i for f in self.factors for i in f)
        return tuple(i for i in held if held[i] > 1 and i not in self.output)

    @property
    def shared(self) -> tuple[str, ...]:
        """The rows and columns that every factor carries: the network is a stack of smaller ones, one for each value.

        Of a block-structured format, say, the block's number. Of a network of one factor, none.
        """
        if len(self.factors) == 1:
            return ()
        return tuple(i for i in self.output if all(i in f for f in self.factors))

    @property
    def unshared(self) -> "Network":
        """The smaller network that this one is a stack of, without the `shared` indices."""
        shared = self.shared

        def without(indices: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(i for i in indices if i not in shared)

        sizes = tuple((i, s) for i, s in self.sizes if i not in shared)
        return Network(tuple(without(f) for f in self.factors), without(self.rows), without(self.cols), sizes)
