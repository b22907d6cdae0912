"""Networks and paths, against einsum on random graphs."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import networks

import tensornet as tn
from tensornet._contract import contract, pullback
from tensornet._graph import is_tree, represents_everything, sides
from tensornet._network import Network
from tensornet._path import Path

CHAIN = tn.Network((("i", "a"), ("a", "b"), ("b", "j")), ("i",), ("j",), (("i", 4), ("j", 5), ("a", 2), ("b", 3)))
RING = tn.Network((("i", "a", "b"), ("a", "b", "j")), ("i",), ("j",), (("i", 4), ("j", 5), ("a", 2), ("b", 3)))


def einsum(network, operands):
    word = ["".join(f) for f in (*network.factors, network.output)]
    return np.einsum(f"{','.join(word[:-1])}->{word[-1]}", *operands).reshape(network.shape)


@given(networks(), st.integers(0, 99))
def test_path_contracts_as_einsum(network, seed):
    rng = np.random.default_rng(seed)
    operands = [rng.normal(size=s) for s in network.shapes]
    want = einsum(network, operands)
    np.testing.assert_allclose(contract(tn.Path.of_matrix(network), operands), want, rtol=1e-10, atol=1e-10)


@given(networks(), st.integers(0, 99))
def test_pullback_is_linear_replacement(network, seed):
    """⟨G, W(…, D, …)⟩ = ⟨g_k, D⟩: W is linear in each factor."""
    rng = np.random.default_rng(seed)
    operands = [rng.normal(size=s) for s in network.shapes]
    gradient = rng.normal(size=network.shape)
    for k, pulled in enumerate(pullback(tn.Path.of_matrix(network), operands, gradient)):
        step = rng.normal(size=network.shapes[k])
        moved = einsum(network, [*operands[:k], step, *operands[k + 1 :]])
        assert np.sum(pulled * step) == pytest.approx(np.sum(gradient * moved), rel=1e-9, abs=1e-9)


@given(networks(), st.integers(1, 5))
def test_product_path_is_x_times_w_transposed(network, batch):
    rng = np.random.default_rng(batch)
    operands = [rng.normal(size=s) for s in network.shapes]
    size = network.size
    x = rng.normal(size=(batch, network.shape[1]))
    folded = x.reshape(batch, *(size[i] for i in network.cols))
    got = contract(tn.Path.of_product(network, batch), [*operands, folded])
    np.testing.assert_allclose(got, x @ einsum(network, operands).T, rtol=1e-10, atol=1e-10)


def test_path_of_a_chain_by_hand():
    """(4 × 2)(2 × 3)(3 × 5): right pair first 2·2·3·5 + 2·4·2·5 = 140, left first 2·4·2·3 + 2·4·3·5 = 168."""
    path = tn.Path.of_matrix(CHAIN)
    assert path.flops == 140
    assert tn.Path.of_matrix(CHAIN, order=((0, 1), (0, 1))).flops == 168
    operands = 8 + 6 + 15
    assert path.peak == operands + 10 + 20  # both intermediates are held while the last is made


def test_apply_goes_the_cheaper_way():
    """Few rows of x go through the factors, many through W."""
    fmt = tn.LowRank(64, 64)
    thin = tn.Path.of_product(tn.LowRank(64, 64, 2).network, 1)
    assert thin.flops == 2 * (2 * 64 + 2 * 64)
    assert tn.Path.of_product(fmt.network, 10_000).flops == 2 * 64**3 + 2 * 10_000 * 64**2


def test_paths_are_shared():
    assert tn.Path.of_matrix(CHAIN) is tn.Path.of_matrix(CHAIN)
    hash(CHAIN)


def test_bonds_are_what_joins_two_factors():
    assert CHAIN.bonds == ("a", "b")
    assert CHAIN.shape == (4, 5)
    held_thrice = tn.Network((("i", "a"), ("a",), ("a", "j")), ("i",), ("j",), (("i", 2), ("j", 2), ("a", 2)))
    assert held_thrice.bonds == ()


def test_trees_and_loops():
    assert is_tree(CHAIN)
    assert not is_tree(RING)
    assert sides(CHAIN, "a") == ((0,), (1, 2))
    assert sides(RING, "a") is None


@pytest.mark.parametrize(
    ("fmt", "full"),
    [
        (tn.MPO((2, 3, 2), (3, 2, 2)), True),
        (tn.MPO((2, 3, 2), (3, 2, 2), bonds=(5, 4)), False),
        (tn.LowRank(4, 3), True),
        (tn.LowRank(4, 3, 2), False),
        (tn.MPO((3,), (4,)), True),
    ],
    ids=str,
)
def test_full_networks_represent_everything(fmt, full):
    assert represents_everything(fmt.network) is full


def test_a_network_of_one_factor_has_results_of_its_own():
    """In NumPy and PyTorch, in lead axes, from transposed memory; and the copy lets gradients through."""
    rng, fmt = np.random.default_rng(0), tn.MPO((4,), (3,))
    for make in (np.asarray, torch.asarray):
        for lead in ((), (2,)):
            f, g = (make(rng.standard_normal((*lead, *s))) for s in (fmt.shapes[0], fmt.shape))
            before = [np.asarray(x).copy() for x in (f, g)]
            w, products = fmt.with_products((f,))
            pulled = fmt.pullback((f,), g)
            for made in (fmt.contract((f,)), w, fmt.linearize((f,))[1](g)[0], *pulled, *products):
                made[...] = 7.0
            assert all(np.array_equal(x, b) for x, b in zip((f, g), before, strict=True))
    # its permutation into (i, j) is a view of transposed memory
    turned = Network((("j", "i"),), ("i",), ("j",), (("i", 4), ("j", 3)))
    t = np.asfortranarray(rng.standard_normal((3, 4)))
    assert not np.shares_memory(contract(Path.of_matrix(turned), (t,)), t)
    f = torch.ones(fmt.shapes[0], requires_grad=True)
    fmt.contract((f,)).sum().backward()
    assert torch.equal(f.grad, torch.ones(fmt.shapes[0]))
