"""Rows of a matrix from its factors, as an embedding needs them: the other rows are never made."""

from collections.abc import Sequence

from array_api_compat import device

from ._arrays import Array, namespace
from ._contract import contract
from ._errors import TensorNetError
from ._network import Network
from ._path import Path

ROW = "@row"


def lookup(network: Network, factors: Sequence[Array], ids: Array) -> Array:
    """W[ids] (*lead, n, cols) for ids (n,): each factor gives the slices that the digits of a row number pick in it."""
    digits = _digits(network, ids)
    picked = [_pick(network, k, f, digits) for k, f in enumerate(factors)]
    n = int(ids.shape[0])
    return contract(Path.of_matrix(_picked(network, n)), picked)


def row_numbers(who: str, ids: Array) -> Array:
    """ids in the dtype that their library counts in: products of digits would wrap around in a narrow one."""
    xp = namespace(ids)
    if not xp.isdtype(ids.dtype, "integral"):
        raise TensorNetError(
            f"{who}: got ids of dtype {ids.dtype}, needed integers, because they number rows (a mask would be rows 0 and "
            f"1); convert them first, a mask with xp.nonzero"
        )
    return xp.astype(ids, xp.__array_namespace_info__().default_dtypes(device=device(ids))["indexing"], copy=False)


def check_ids(who: str, ids: Array, rows: int) -> None:
    """Refuse ids that are no row numbers: digits would wrap around without a word."""
    xp = namespace(ids)
    try:
        bad = bool(xp.any((ids < 0) | (ids >= rows)))
    except TypeError as error:
        raise TensorNetError(
            f"{who}: got traced ids, whose values cannot be looked at; call it outside jit, or pass check=False and see to it "
            f"yourself that they are in 0…{rows - 1}"
        ) from error
    if bad:
        raise TensorNetError(
            f"{who}: got ids from {int(xp.min(ids))} to {int(xp.max(ids))}, needed 0…{rows - 1}, because the table has {rows} "
            f"rows; map unknown ids to a row that exists"
        )


def _digits(network: Network, ids: Array) -> dict[str, Array]:
    """Row index name → its digit of each id, the first being the most significant."""
    found, rest = {}, ids
    for index in reversed(network.rows):
        found[index] = rest % network.size[index]
        rest = rest // network.size[index]
    return found


def _pick(network: Network, k: int, factor: Array, digits: dict[str, Array]) -> Array:
    """The row indices that factor k carries, replaced by one axis over the ids, in the first one's place."""
    xp, indices = namespace(factor), network.factors[k]
    held = [i for i in indices if i in network.rows]
    if not held:
        return factor
    first, rest = indices.index(held[0]), [i for i in indices if i not in held]
    lead = factor.ndim - len(indices)
    order = [*rest[:first], *held, *rest[first:]]
    moved = xp.permute_dims(factor, (*range(lead), *(lead + indices.index(i) for i in order)))
    shape = tuple(moved.shape)
    start = lead + first
    flat = xp.reshape(moved, (*shape[:start], -1, *shape[start + len(held) :]))
    number = digits[held[0]]
    for i in held[1:]:
        number = number * network.size[i] + digits[i]
    return xp.take(flat, number, axis=start)


def _picked(network: Network, n: int) -> Network:
    def indices(factor: tuple[str, ...]) -> tuple[str, ...]:
        held = [i for i in factor if i in network.rows]
        return tuple(ROW if i in held[:1] else i for i in factor if i not in held[1:])

    sizes = (*((i, s) for i, s in network.sizes if i not in network.rows), (ROW, n))
    return Network(tuple(indices(f) for f in network.factors), (ROW,), network.cols, sizes)
