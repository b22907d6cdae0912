"""What a stranger did to compressed models: each is right, or refused by name."""

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import tensornet as tn
import tensornet_torch as tnt


def full(n=8):
    return tn.LowRank(n, n, n)


@pytest.mark.parametrize("gradients", [True, False])
@pytest.mark.parametrize("shape", [(4, 16), (2, 64), (3, 4, 16)])
def test_x_of_another_width_is_refused(shape, gradients):
    layer = tnt.FactorizedLinear(tn.LowRank(8, 32, 4))
    with (
        torch.set_grad_enabled(gradients),
        pytest.raises(tn.TensorNetError, match=r"has \d+ features, the weight has 32"),
    ):
        layer(torch.randn(shape))


def test_pruned_factors_keep_their_order():
    layer, x = tnt.FactorizedLinear(full()), torch.randn(2, 8)
    before = layer(x)
    prune.random_unstructured(layer.factors, "0", amount=0.0)
    assert torch.equal(layer(x), before)
    prune.random_unstructured(layer.factors, "1", amount=1.0)
    assert torch.equal(layer(x), layer.bias.expand(2, 8))
    prune.remove(layer.factors, "0")
    prune.random_unstructured(layer, "bias", amount=1.0)
    assert not layer(x).any()


class Listed(nn.Module):
    """Calls a layer through a list that nn.Module knows nothing of."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.order = [self.linear]

    def forward(self, x):
        return self.order[0](x)


def test_a_copy_never_computes_with_the_weight_of_the_given_model():
    with pytest.raises(tn.TensorNetError, match=r"linear\.weight is also held where nn\.Module does not look"):
        tnt.compress(Listed(), tn.Plan({"linear.weight": tn.LowRank(8, 8, 2)}))


class Headed(nn.Module):
    def __init__(self, tied):
        super().__init__()
        self.table, self.linear, self.head = nn.Embedding(20, 8), nn.Linear(8, 8), nn.Linear(8, 20, bias=False)
        if tied:
            self.head.weight = self.table.weight


def test_a_file_of_two_tensors_is_not_of_one(tmp_path):
    tnt.save_pretrained(tnt.compress(Headed(False), tn.Plan({"linear.weight": full()})), tmp_path)
    with pytest.raises(tn.TensorNetError, match=r"table\.weight and head\.weight, one here and different there"):
        tnt.from_pretrained(tmp_path, Headed(True))


@pytest.mark.parametrize("module", [nn.Embedding(8, 8), nn.Conv2d(8, 8, 1)], ids=["embedding", "convolution"])
def test_only_linear_layers_come_transposed(module):
    plan = tn.Plan(
        {"weight": full() if module.weight.ndim == 2 else tn.CP((8,), (8,), kernel=(1, 1))}, frozenset(["weight"])
    )
    with pytest.raises(tn.TensorNetError):
        tnt.compress(module, tn.Plan(plan.formats, transposed=frozenset(["weight"])))


def test_errors_of_complex_weights_are_of_both_parts():
    model = nn.Sequential(nn.Linear(8, 8, dtype=torch.complex64))
    small = tnt.compress(model, tnt.plan(model, format="low_rank", rank=2))
    w, made = model[0].weight.detach(), small[0].weight.detach()
    true = torch.linalg.vector_norm(made - w) / torch.linalg.vector_norm(w)
    assert small[0].error == pytest.approx(float(true), rel=1e-5)
    assert tnt.receipt(small, model).entries[0].error == pytest.approx(float(true), rel=1e-5)


def test_initial_values_are_those_of_the_dense_layers():
    torch.manual_seed(0)
    layer = tnt.FactorizedLinear(tn.LowRank(8, 512, 8), transposed=True)  # 8 inputs
    assert float(layer.weight.detach().std()) == pytest.approx((3 * 8) ** -0.5, rel=0.3)
    assert float(layer.bias.detach().abs().max()) == pytest.approx(8**-0.5, rel=0.1)
    table = tnt.FactorizedEmbedding(tn.LowRank(200, 32, 16), padding_idx=-1)
    table.reset_parameters()
    assert float(table.weight.detach()[:-1].std()) == pytest.approx(1.0, rel=0.2)
    assert not table(torch.tensor([199])).any()


def test_padding_must_be_a_row():
    with pytest.raises(tn.TensorNetError, match="padding_idx=99, needed one of the 32 rows"):
        tnt.FactorizedEmbedding(tn.LowRank(32, 8, 4), padding_idx=99)


def test_compiled_ids_in_the_padding_are_out_of_the_table():
    table = tnt.FactorizedEmbedding(tn.Padded.for_shape((31, 8), inner="kronecker"))
    compiled = torch.compile(table, backend="eager")
    assert torch.equal(compiled(torch.tensor([30])), table(torch.tensor([30])))
    with pytest.raises((IndexError, RuntimeError)):
        compiled(torch.tensor([31]))


def with_forward(module):
    module.forward = lambda x: 2 * x


CARRIED = {
    "a forward of its own": with_forward,
    "buffers": lambda m: m.register_buffer("mask", torch.ones(8)),
    "modules": lambda m: m.add_module("adapter", nn.Identity()),
    "hooks": lambda m: m.weight.register_hook(lambda g: 2 * g),
    "more parameters than weight and bias": lambda m: m.register_parameter("gain", nn.Parameter(torch.ones(8))),
}


@pytest.mark.parametrize("what", CARRIED)
def test_what_a_layer_carries_is_not_dropped_in_silence(what):
    model = nn.Sequential(nn.Linear(8, 8))
    CARRIED[what](model[0])
    with pytest.raises(tn.TensorNetError, match=f"the module of 0.weight has {what}, needed none"):
        tnt.compress(model, tn.Plan({"0.weight": full()}))


@pytest.mark.parametrize("threads", [1, 2])
def test_no_ids_at_all(threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.no_grad():
            assert tnt.FactorizedEmbedding(tn.LowRank(8, 5, 1))(torch.zeros(0, dtype=torch.long)).shape == (0, 5)
    finally:
        torch.set_num_threads(before)


def test_an_empty_batch_under_a_memory_limit_has_a_graph():
    layer = tnt.FactorizedLinear(tn.LowRank(8, 8, 2), False, memory=10**6)
    layer(torch.zeros(0, 8)).sum().backward()
    assert all(f.grad is not None for f in layer.factors)


def test_shapes_are_known_on_the_meta_device():
    table = tnt.FactorizedEmbedding(tn.LowRank(8, 6, 2), device="meta")
    assert table(torch.zeros(3, dtype=torch.long, device="meta")).shape == (3, 6)
    assert table.weight.shape == (8, 6)


def test_a_config_of_something_else_is_not_asked(tmp_path):
    model = nn.Sequential(nn.Linear(8, 8))
    tnt.save_pretrained(tnt.compress(model, tn.Plan({"0.weight": full()})), tmp_path)
    (tmp_path / "config.json").write_text("[1]")
    again, x = tnt.from_pretrained(tmp_path, nn.Sequential(nn.Linear(8, 8))), torch.randn(2, 8)
    assert torch.allclose(again(x), model(x), atol=1e-5)
