"""Trees of any shape: canonical form, Schmidt values, gauges, the identity embedding; shared indices as batch axes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tensornet as tn
from tensornet._contract import contract
from tensornet._graph import bond_towards, is_tree, sides
from tensornet._links import Links
from tensornet._path import Path
from tensornet._tree import canonical, embed, full_sizes, regauge, schmidt
from tensornet._unfold import gram

STAR = tn.Network(
    factors=(("x", "a", "y", "b"), ("a", "i"), ("y", "j", "c"), ("k", "c"), ("b", "l")),
    rows=("x", "i", "j"),
    cols=("k", "l"),
    sizes=(("x", 2), ("a", 3), ("y", 4), ("b", 2), ("i", 3), ("j", 2), ("c", 3), ("k", 3), ("l", 4)),
)
BLOCKS = tn.Network(  # a stack of three pairs
    factors=(("i", "s", "d"), ("d", "j", "s")),
    rows=("s", "i"),
    cols=("j",),
    sizes=(("s", 3), ("i", 4), ("d", 2), ("j", 5)),
)


@st.composite
def trees(draw):
    """Up to five factors, each hung from an earlier one; open legs anywhere, axes in any order."""
    n, rng = draw(st.integers(1, 5)), draw(st.randoms(use_true_random=False))
    factors, sizes = [[] for _ in range(n)], {}
    for k in range(1, n):
        parent = rng.randrange(k)
        factors[k].append(f"b{k}")
        factors[parent].append(f"b{k}")
        sizes[f"b{k}"] = rng.randint(1, 4)
    legs = [f"o{k}{m}" for k in range(n) for m in range(rng.randint(0, 2))] or ["o00"]
    for leg in legs:
        factors[int(leg[1])].append(leg)
        sizes[leg] = rng.randint(1, 3)
    for f in factors:
        rng.shuffle(f)
    rng.shuffle(legs)
    cut = rng.randint(0, len(legs))
    return tn.Network(tuple(map(tuple, factors)), tuple(legs[:cut]), tuple(legs[cut:]), tuple(sizes.items()))


def random_factors(network, lead=(), seed=0, imaginary=0.0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((*lead, *s)) + imaginary * rng.standard_normal((*lead, *s)) for s in network.shapes]


def dense(network, factors):
    """By einsum, which shares nothing with the library."""
    letter = {i: chr(97 + k) for k, i in enumerate(network.size)}
    words = ["".join(letter[i] for i in f) for f in (*network.factors, network.output)]
    return np.einsum(",".join("..." + w for w in words[:-1]) + "->..." + words[-1], *factors)


def singular_values(network, w, bond):
    """Of a dense w (*output) unfolded at a bond."""
    side = sides(network, bond)[0]
    own = [p for p, i in enumerate(network.output) if any(i in network.factors[k] for k in side)]
    rest = [p for p in range(w.ndim) if p not in own]
    rows = math.prod(w.shape[p] for p in own)
    return np.linalg.svd(w.transpose(*own, *rest).reshape(rows, -1), compute_uv=False)


def close(a, b):
    return np.linalg.norm(a - b) <= 1e-12 * max(np.linalg.norm(b), 1e-300)


@given(network=trees(), root=st.integers(0, 4), lead=st.sampled_from([(), (2,)]))
def test_canonical_form_is_the_same_tensor(network, root, lead):
    root %= len(network.factors)
    factors = random_factors(network, lead, imaginary=1j)
    made = canonical(network, factors, root)
    assert [f.shape for f in made] == [f.shape for f in factors]
    assert close(dense(network, made), dense(network, factors))


@given(network=trees(), root=st.integers(0, 4))
def test_all_but_the_root_are_isometries(network, root):
    root %= len(network.factors)
    for k, x in enumerate(canonical(network, random_factors(network, imaginary=1j), root)):
        if k != root:
            axis = network.factors[k].index(bond_towards(network, k, root))
            m = np.moveaxis(x, axis, -1).reshape(-1, x.shape[axis])
            gram, rank = m.conj().T @ m, min(m.shape)
            assert np.allclose(gram[:rank, :rank], np.eye(rank))  # what the factor has no room for is zero
            assert np.all(gram[rank:] == 0)


@given(network=trees())
def test_schmidt_values_are_singular_values(network):
    factors = random_factors(network, imaginary=1j)
    found, w = schmidt(network, factors), dense(network, factors)
    assert tuple(found) == network.bonds
    for bond, values in found.items():
        want = np.zeros_like(values)
        known = singular_values(network, w, bond)[: len(values)]
        want[: len(known)] = known
        assert np.allclose(values, want, rtol=0, atol=1e-12 * np.linalg.norm(w))


@given(network=trees(), gauge=st.sampled_from(["left", "right", "mixed", "balanced"]), lead=st.sampled_from([(), (2,)]))
def test_every_gauge_is_the_same_tensor(network, gauge, lead):
    factors = random_factors(network, lead)
    made = regauge(network, factors, gauge, None)
    assert [f.shape for f in made] == [f.shape for f in factors]
    assert close(dense(network, made), dense(network, factors))


@given(network=trees())
def test_identity_embedding_is_exact(network):
    """At full bonds w lands in one factor, entry by entry, and the others are identities."""
    full = full_sizes(network)
    network = tn.Network(network.factors, network.rows, network.cols, tuple({**network.size, **full}.items()))
    w = np.random.default_rng(0).standard_normal((2, *network.shape))
    factors, root = embed(network, w)
    assert np.array_equal(contract(Path.of_matrix(network), factors), w)
    assert sorted(factors[root].ravel()) == sorted(w.ravel())
    assert all(set(np.unique(f)) <= {0.0, 1.0} for k, f in enumerate(factors) if k != root)


def test_balanced_splits_a_star_evenly():
    factors = regauge(STAR, random_factors(STAR), "balanced", None)
    w = dense(STAR, factors)
    for leaf, bond in ((1, "a"), (3, "c"), (4, "b")):
        axis = STAR.factors[leaf].index(bond)
        m = np.moveaxis(factors[leaf], axis, -1).reshape(-1, STAR.size[bond])
        values = singular_values(STAR, w, bond)[: STAR.size[bond]]
        assert np.allclose(m.T @ m, np.diag(values), atol=1e-10 * values[0])


def test_balanced_of_a_zero_tensor_keeps_every_direction():
    """Bonds and volumes are such that the root is the dense one: the others must be invertible."""
    fmt = tn.MPO((2, 3, 2), (3, 2, 2))
    made = regauge(fmt.network, fmt.decompose(np.zeros(fmt.shape)), "balanced", None)
    ranks = [np.linalg.matrix_rank(f.reshape(-1, 4 if k else 6)) for k, f in enumerate(made)]
    assert ranks[0] == 6
    assert ranks[2] == 4


def test_a_stack_of_blocks_has_a_spectrum_for_each():
    factors = random_factors(BLOCKS)
    found = schmidt(BLOCKS, factors)["d"]
    assert found.shape == (3, 2)
    for s in range(3):
        block = factors[0][:, s] @ factors[1][:, :, s]
        assert np.allclose(found[s], np.linalg.svd(block, compute_uv=False)[:2])
    for gauge in ("left", "right", "balanced"):
        made = regauge(BLOCKS, factors, gauge, None)
        assert [f.shape for f in made] == [f.shape for f in factors]
        assert np.allclose(dense(BLOCKS, made), dense(BLOCKS, factors))


def test_no_division_by_a_vanishing_value():
    factors = [np.zeros(s) for s in STAR.shapes]
    for gauge in ("left", "balanced"):
        assert all(np.isfinite(f).all() for f in regauge(STAR, factors, gauge, None))


@pytest.mark.parametrize("network", [STAR, BLOCKS.unshared])
def test_these_are_trees(network):
    assert is_tree(network)


@pytest.mark.parametrize("shape", [(64, 9), (9, 64), (3, 64, 5)])
def test_gram_matrix_in_blocks(shape):
    """Large enough that only the upper blocks are multiplied out."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, *shape)) + 1j * rng.standard_normal((2, *shape))
    axis = shape.index(64) - len(shape)
    m = np.moveaxis(x, axis, -1).reshape(2, -1, 64)
    assert np.allclose(gram(x, axis, len(shape)), m.conj().swapaxes(-1, -2) @ m)


@given(network=trees())
def test_links_are_taken_out_and_put_back(network):
    """Without its links a tree is the same tensor; with them it is again, at any sizes of bonds."""
    links = Links.of(network)
    assert is_tree(links.network)
    assert Links.of(links.network).taken == ()
    factors = random_factors(network, (2,))
    bare = links.without(factors)
    w = dense(network, factors)
    assert close(dense(links.network, bare).reshape(w.shape), w)
    sizes = {b: links.network.size[b] for b in links.network.bonds}
    whole, restored = links.restored(bare, sizes)
    assert whole == network
    assert [f.shape[1:] for f in restored] == list(network.shapes)
    assert close(dense(network, restored), w)


def test_links_of_the_paper_s_layout():
    links = Links.of(tn.MPO((8, 1, 1, 1, 6), (4, 1, 1, 1, 3)).network)
    assert links.kept == (0, 4)
    assert set(dict(links.stands).values()) == {"d1"}
