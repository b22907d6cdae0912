"""Random small formats and networks for property tests."""

import math
import random

from hypothesis import strategies as st

import tensornet as tn

ENTRIES = 150  # of the matrix, at most: what breaks on a large one breaks on a small one
MODES = (1, 1, 2, 2, 3, 4, 5, 7)  # unit modes anywhere, primes, powers


def full_bonds(modes: list[int]) -> list[int]:
    """Eq. 3, written anew: tests do not share code with what they test."""
    return [min(math.prod(modes[:k]), math.prod(modes[k:])) for k in range(1, len(modes))]


@st.composite
def mpos(draw, *, full: bool | None = None) -> tn.MPO:
    """MPOs of one to four factors; `full` bonds, truncated ones, or both kinds."""
    modes = st.sampled_from(MODES)
    pairs = draw(
        st.lists(st.tuples(modes, modes), min_size=1, max_size=4).filter(
            lambda ps: math.prod(a * b for a, b in ps) <= ENTRIES
        )
    )
    rows, cols = zip(*pairs, strict=True)
    if full or (full is None and draw(st.booleans())):
        return tn.MPO(rows, cols)
    sizes = [a * b for a, b in pairs]
    bonds = [draw(st.integers(1, b)) for b in full_bonds(sizes)]
    for k in range(1, len(bonds)):  # each factor can bridge its two bonds, first from the left, then from the right
        bonds[k] = min(bonds[k], bonds[k - 1] * sizes[k])
    for k in range(len(bonds) - 1, 0, -1):
        bonds[k - 1] = min(bonds[k - 1], bonds[k] * sizes[k])
    return tn.MPO(rows, cols, tuple(bonds))


@st.composite
def low_ranks(draw) -> tn.LowRank:
    out, in_ = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    return tn.LowRank(out, in_, draw(st.none() | st.integers(1, min(out, in_))))


@st.composite
def modes(draw, count: int) -> tuple[int, ...]:
    """`count` sizes that multiply to at most ENTRIES."""
    sizes = st.lists(st.sampled_from(MODES), min_size=count, max_size=count)
    return tuple(draw(sizes.filter(lambda s: math.prod(s) <= ENTRIES)))


@st.composite
def kroneckers(draw) -> tn.Kronecker:
    a, b, c, d = draw(modes(4))
    return tn.Kronecker((a, c), (b, d), draw(st.none() | st.integers(1, min(a * c, b * d))))


@st.composite
def block_tensor_trains(draw) -> tn.BlockTensorTrain:
    i1, i2, j1, j2 = draw(modes(4))
    return tn.BlockTensorTrain((i1, i2), (j1, j2), draw(st.none() | st.integers(1, min(i1, j2))))


@st.composite
def monarchs(draw) -> tn.Monarch:
    i1, i2, j1, j2 = draw(modes(4))
    return tn.Monarch((i1, i2), (j1, j2))


@st.composite
def conv_mpos(draw) -> tn.ConvMPO:
    """Of up to three factors of channels and two axes; full bonds, or none above a rank."""
    n, axes = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    sizes = draw(modes(2 * n + axes))
    fmt = tn.ConvMPO(sizes[:n], sizes[n : 2 * n], sizes[2 * n :])
    rank = draw(st.integers(1, max(fmt.bonds)))
    return fmt.resized({f"d{k}": min(rank, b) for k, b in enumerate(fmt.bonds, start=1)})


@st.composite
def networks(draw):
    """Up to four factors; indices held by any number of them, in the output or not, of size 1 to 3."""
    n = draw(st.integers(1, 4))
    rng = random.Random(draw(st.integers(0, 10_000)))
    names = "abcdefg"[: rng.randint(2, 7)]
    sizes = {i: rng.choice([1, 2, 2, 3]) for i in names}
    factors = [[] for _ in range(n)]
    rows, cols = [], []
    for i in names:
        holders = rng.sample(range(n), rng.randint(1, n))
        for k in holders:
            factors[k].append(i)
        if (len(holders) == 1 and sizes[i] > 1) or rng.random() < 0.4:
            rng.choice((rows, cols)).append(i)
    for f in factors:
        rng.shuffle(f)
    return tn.Network(tuple(map(tuple, factors)), tuple(rows), tuple(cols), tuple(sizes.items()))


@st.composite
def split_shapes(draw, *, entries: int, modes: int) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Rows, cols and kernel."""
    sizes = st.lists(st.sampled_from((1, 2, 2, 3, 4)), min_size=2, max_size=modes)
    drawn = draw(sizes.filter(lambda s: math.prod(s) <= entries))
    rows = draw(st.integers(1, len(drawn) - 1))
    cols = draw(st.integers(rows + 1, len(drawn)))
    return tuple(drawn[:rows]), tuple(drawn[rows:cols]), tuple(drawn[cols:])


@st.composite
def cps(draw, *, entries: int = 40) -> tn.CP:
    rows, cols, kernel = draw(split_shapes(entries=entries, modes=4))
    full = tn.CP(rows, cols, kernel=kernel).rank
    return tn.CP(rows, cols, draw(st.none() | st.integers(1, min(full, 3))), kernel)


@st.composite
def tuckers(draw) -> tn.Tucker:
    rows, cols, kernel = draw(split_shapes(entries=ENTRIES, modes=4))
    full = tn.Tucker(rows, cols, kernel=kernel).ranks
    cap = draw(st.integers(1, max(full)))
    ranks = [draw(st.sampled_from((None, min(r, cap)))) for r in full]
    core = [m if r is None else r for m, r in zip(rows + cols + kernel, ranks, strict=True)]
    fits = all(r is None or r <= math.prod(core) // r for r in ranks)
    return tn.Tucker(rows, cols, tuple(ranks) if fits else None, kernel)


@st.composite
def tensor_rings(draw, *, entries: int = 40) -> tn.TensorRing:
    pairs = draw(
        st.lists(st.tuples(st.sampled_from((1, 2, 3)), st.sampled_from((1, 2))), min_size=2, max_size=3).filter(
            lambda ps: math.prod(a * b for a, b in ps) <= entries
        )
    )
    rows, cols = zip(*pairs, strict=True)
    full = tn.TensorRing(rows, cols)
    cap = draw(st.integers(1, max(full.ring, *full.bonds)))
    return tn.TensorRing(rows, cols, min(full.ring, cap), tuple(min(b, cap) for b in full.bonds))


def searched_formats():
    """Those without a closed form, kept small: each decompose is a search."""
    return (cps(entries=24) | tensor_rings(entries=24)).filter(lambda fmt: fmt.iterative)


def formats():
    return st.one_of(
        mpos(),
        low_ranks(),
        kroneckers(),
        cps(),
        tuckers(),
        tensor_rings(),
        block_tensor_trains(),
        monarchs(),
        conv_mpos(),
    )
