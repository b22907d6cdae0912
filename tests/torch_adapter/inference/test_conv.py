"""FactorizedConv2d is the convolution, with every setting that an nn.Conv2d has."""

import pytest
import torch
from torch import nn

import tensornet as tn
import tensornet_torch as tnt

SETTINGS = [
    {},
    {"stride": 2, "padding": 1},
    {"padding": "same", "dilation": 2},
    {"padding": (1, 2), "padding_mode": "reflect"},
    {"padding": 1, "padding_mode": "circular", "bias": False},
    {"groups": 2},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=repr)
@pytest.mark.parametrize("format", ["conv_mpo", "tucker"])
def test_it_is_the_convolution(settings, format):
    torch.manual_seed(0)
    dense = nn.Conv2d(8, 6, (3, 3), dtype=torch.float64, **settings)
    small = tnt.compress(dense, tnt.plan(dense, "weight", format=format))
    x = torch.randn(2, 8, 9, 8, dtype=torch.float64)
    twin = tnt.dense(small)
    assert torch.allclose(small(x), dense(x))
    assert torch.equal(small(x), twin(x))
    assert type(twin) is nn.Conv2d
    assert str(twin) == str(dense)
    small(x).square().sum().backward()
    dense(x).square().sum().backward()
    pulled = small.format.pullback(list(small.factors), dense.weight.grad)
    assert all(torch.allclose(f.grad, g) for f, g in zip(small.factors, pulled, strict=True))


def test_a_lossy_kernel_is_that_of_its_format():
    torch.manual_seed(0)
    dense = nn.Conv2d(8, 6, 3)
    small = tnt.compress(dense, tnt.plan(dense, "weight", format="conv_mpo", rank=2))
    x = torch.randn(1, 8, 5, 5)
    assert torch.allclose(small(x), nn.functional.conv2d(x, small.weight, dense.bias), atol=1e-6)
    (entry,) = tnt.receipt(small).entries
    assert 0.1 < entry.error < 1


def test_autocast_is_that_of_a_convolution():
    made = tnt.FactorizedConv2d(tn.ConvMPO.for_shape((6, 4, 3, 3), rank=2), padding=1)
    with torch.autocast("cpu", torch.bfloat16):
        assert made(torch.randn(1, 4, 5, 5)).dtype == torch.bfloat16
        assert made.weight.dtype == torch.float32
