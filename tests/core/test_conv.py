"""ConvMPO: against its definition, and against PyTorch's convolutions."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from strategies import conv_mpos

import tensornet as tn

SETTINGS = {
    "plain": {},
    "groups": {"groups": 2},
    "dilation and stride": {"dilation": 2, "stride": 2},
    "same": {"padding": "same"},
    "all": {"groups": 2, "dilation": (1, 2), "padding": "same"},
}


@given(conv_mpos(), st.integers(0, 99))
def test_contract_is_the_sum_of_its_definition(fmt, seed):
    rng = np.random.default_rng(seed)
    kernel, *chain = factors = [rng.normal(size=s) for s in fmt.shapes]
    n, axes = len(chain), len(fmt.kernel)
    whole = kernel[0]
    for f in chain:
        whole = np.tensordot(whole, f, axes=1)
    whole = whole[..., 0]  # kernel axes, i_1 j_1 i_2 j_2 …
    rows, cols = ([axes + 2 * k + side for k in range(n)] for side in (0, 1))
    want = whole.transpose([*rows, *cols, *range(axes)]).reshape(fmt.shape)
    np.testing.assert_allclose(fmt.contract(factors), want, rtol=1e-12, atol=1e-12 * np.abs(want).max())


@given(conv_mpos(), st.integers(0, 99))
def test_truncation_is_quasi_optimal(fmt, seed):
    """‖W − contract(decompose(W))‖² ≤ Σ_k ε_k², ε_k what the k-th unfolding loses (Oseledets 2011, theorem 2.2)."""
    w, n, axes = np.random.default_rng(seed).normal(size=fmt.shape), len(fmt.rows), len(fmt.kernel)
    split = w.reshape(fmt.rows + fmt.cols + fmt.kernel)
    chain = split.transpose([*range(2 * n, 2 * n + axes), *(a for k in range(n) for a in (k, n + k))])
    bound, left = 0.0, np.prod(fmt.kernel)
    for k, bond in enumerate(fmt.bonds):
        values = np.linalg.svd(chain.reshape(left, -1), compute_uv=False)
        bound += np.sum(values[bond:] ** 2)
        left *= fmt.rows[k] * fmt.cols[k]
    lost = np.linalg.norm(w - fmt.contract(fmt.decompose(w)))
    assert lost <= np.sqrt(bound) * (1 + 1e-10) + 1e-12


@pytest.mark.parametrize("name", SETTINGS)
def test_conv2d_with_the_contracted_weight_is_the_same(name):
    torch.manual_seed(0)
    options = SETTINGS[name]
    layer = torch.nn.Conv2d(8, 12, (3, 5), bias=False, dtype=torch.float64, **options)
    fmt = tn.ConvMPO.for_shape(tuple(layer.weight.shape))
    assert fmt.shape == (12, 8 // options.get("groups", 1), 3, 5)
    x = torch.randn(2, 8, 10, 11, dtype=torch.float64)
    want = layer(x)
    with torch.no_grad():
        layer.weight.copy_(fmt.contract(fmt.decompose(layer.weight)))
    torch.testing.assert_close(layer(x), want, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("pad", [False, True], ids=["", "padded"])
def test_apply_on_patches_is_the_convolution(pad):
    torch.manual_seed(0)
    shape = (5, 7, 3, 2) if pad else (6, 8, 3, 2)
    fmt = tn.ConvMPO.for_shape(shape, rank=3, pad=pad)
    factors = [torch.randn(s, dtype=torch.float64) for s in fmt.shapes]
    x = torch.randn(2, shape[1], 9, 10, dtype=torch.float64)
    want = F.conv2d(x, fmt.contract(factors), dilation=(1, 2), padding=(1, 0))
    patches = F.unfold(x, (3, 2), dilation=(1, 2), padding=(1, 0)).transpose(1, 2)
    got = fmt.apply(factors, patches).transpose(1, 2).reshape(want.shape)
    torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-10)


def test_groups_are_convolutions_of_their_own():
    """The weight of two groups, as PyTorch stores it, decomposed as one and as two."""
    torch.manual_seed(0)
    weight, x = torch.randn(8, 4, 3, dtype=torch.float64), torch.randn(1, 8, 7, dtype=torch.float64)
    fmt = tn.ConvMPO.for_shape((4, 4, 3))
    halves = fmt.contract(fmt.decompose(weight.reshape(2, 4, 4, 3)))
    parts = [F.conv1d(x[:, 4 * g : 4 * g + 4], halves[g]) for g in range(2)]
    torch.testing.assert_close(torch.cat(parts, dim=1), F.conv1d(x, weight, groups=2), rtol=1e-10, atol=1e-10)


def test_any_number_of_kernel_axes():
    for kernel in [(3,), (3, 3), (1, 1), (2, 3, 2)]:
        fmt = tn.ConvMPO.for_shape((6, 4, *kernel))
        w = np.random.default_rng(0).normal(size=fmt.shape)
        np.testing.assert_allclose(fmt.contract(fmt.decompose(w)), w, rtol=1e-12, atol=1e-12)


def test_the_kernel_of_a_paper_sized_layer_is_small():
    """Garipov et al. 2016: 3 × 3 × 64 × 64 with few ranks is a few hundredths of the dense kernel."""
    fmt = tn.ConvMPO.for_shape((64, 64, 3, 3), cores=3, layout="even", rank=8)
    assert fmt == tn.ConvMPO((4, 4, 4), (4, 4, 4), (3, 3), (8, 8, 8))
    assert fmt.num_params == 9 * 8 + 2 * 8 * 16 * 8 + 8 * 16
