"""‖A‖ of a network by QR: accurate to a rounding where the overlap ⟨A, A⟩ would square it, and no dense A on the way.

An output index that only one operand carries can be turned by any isometry without a change of the norm. So whenever the
volume of such *private* legs exceeds that of the operand's bonds, M[private, bonds] = Q R and M ← R. Of a chain this is the
classic QR sweep (Oseledets 2011, doi 10.1137/090752286, sec. 3); loops and indices in three factors or more need no other
rule.
"""

from collections.abc import Mapping, Sequence

from ._arrays import Array, namespace
from ._contract import multiply, permute
from ._format import Format, check_is_format
from ._pair import Indices, Pair, volume
from ._precise import frobenius, precise, units


def norm(fmt: Format, factors: Sequence[Array], /) -> Array:
    """‖A‖_F (*lead,) of the weight that `factors` contract to, in the widest real dtype of their library.

    Safe where A overflows when squared. A constant for automatic differentiation, because that of QR is infinite where a
    network is rank-deficient.

    raises: TensorNetError for factors of another format
    """
    check_is_format("norm", fmt)
    lead = fmt.check_factors(factors)
    if fmt.matrix_shape != fmt.network.shape:  # the padding must not count
        return frobenius(fmt.contract(precise(factors)), len(lead))
    return network_norm(fmt.network.factors, fmt.network.output, fmt.network.size, precise(factors))


def network_norm(
    factors: Sequence[Indices], output: Indices, size: Mapping[str, int], arrays: Sequence[Array]
) -> Array:
    """‖·‖_F (*lead,) of the contraction of `arrays` (*lead, …), which carry the indices `factors`, to `output`."""
    xp, sizes, lead = namespace(*arrays), dict(size), arrays[0].ndim - len(factors[0])
    live, (arrays, total) = [], units(arrays, lead)
    for indices, unit in zip(factors, arrays, strict=True):
        kept = tuple(i for i in indices if sizes[i] > 1)
        live.append((kept, xp.reshape(unit, (*unit.shape[:lead], *(sizes[i] for i in kept)))))
    opened = list(output)
    while len(live) > 1:
        live = [_compressed(n, live, opened, sizes) for n in range(len(live))]
        i, j = _next_pair([indices for indices, _ in live], opened, sizes)
        (left, a), (right, b) = live[i], live[j]
        live = [operand for n, operand in enumerate(live) if n not in (i, j)]
        made = _made(left, right, [k for indices, _ in live for k in indices], opened)
        live.append((made, multiply(xp, Pair.plan(left, right, made, sizes), a, b)))
    half = 2.0 ** (total / 2)  # twice, because 2**total alone may overflow where the norm does not
    return frobenius(live[0][1], lead) * half * half


def _compressed(
    n: int, live: list[tuple[Indices, Array]], opened: list[str], sizes: dict[str, int]
) -> tuple[Indices, Array]:
    """Operand n with its private legs made one, of the size of its bonds, if that is smaller; `opened` learns its name."""
    indices, array = live[n]
    elsewhere = [i for k, (others, _) in enumerate(live) if k != n for i in others]
    private, shared, bonds = _roles(indices, elsewhere, opened)
    p, c = volume(private, sizes), volume(bonds, sizes)
    if p <= c:
        return indices, array
    xp, shape = namespace(array), tuple(array.shape[: array.ndim - len(indices)])
    shape = (*shape, *(sizes[i] for i in shared))
    order = tuple(indices.index(i) for i in (*shared, *private, *bonds))
    _, r = xp.linalg.qr(xp.reshape(permute(xp, array, order), (*shape, p, c)))
    leg = f"@{len(opened)}"
    opened.append(leg)
    sizes[leg] = c
    return (*shared, leg, *bonds), xp.reshape(r, (*shape, c, *(sizes[i] for i in bonds)))


def _next_pair(live: Sequence[Indices], opened: Sequence[str], sizes: dict[str, int]) -> tuple[int, int]:
    """The two operands whose product, compressed, is larger than the two by the least; of equals, the cheapest."""

    def cost(i: int, j: int) -> tuple[int, int]:
        elsewhere = [k for n, indices in enumerate(live) if n not in (i, j) for k in indices]
        made = _made(live[i], live[j], elsewhere, opened)
        private, shared, bonds = (volume(part, sizes) for part in _roles(made, elsewhere, opened))
        growth = shared * min(private, bonds) * bonds - volume(live[i], sizes) - volume(live[j], sizes)
        return growth, volume(tuple({*live[i], *live[j]}), sizes)

    pairs = [(i, j) for j in range(len(live)) for i in range(j)]
    return min(pairs, key=lambda pair: cost(*pair))


def _made(left: Indices, right: Indices, elsewhere: Sequence[str], opened: Sequence[str]) -> Indices:
    """The indices of left · right: those that only one has, or that somebody still needs."""
    both = [i for i in left if i in right and (i in elsewhere or i in opened)]
    return (*both, *(i for i in left if i not in right), *(i for i in right if i not in left))


def _roles(indices: Indices, elsewhere: Sequence[str], opened: Sequence[str]) -> tuple[Indices, Indices, Indices]:
    """(private open legs, open legs that others carry too, bonds). For each value of a shared one, a network of its own."""
    private = tuple(i for i in indices if i in opened and i not in elsewhere)
    shared = tuple(i for i in indices if i in opened and i in elsewhere)
    return private, shared, tuple(i for i in indices if i not in opened)
