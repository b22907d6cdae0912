"""compress, dense and receipt: what is replaced, what is kept, and what is refused."""

import copy
import io

import pytest
import torch
from torch import nn
from torch_adapter.inference.layers import plan, tied, tokens

import tensornet as tn
import tensornet_torch as tnt


def refusal(model, rules, match, **options):
    with pytest.raises(tn.TensorNetError, match=match) as caught:
        tnt.compress(model, tnt.plan(model, rules, **{"format": "low_rank", "rank": 2, **options}))
    assert ";" in str(caught.value)


def test_full_rank_says_the_same():
    model, ids = tied(), tokens()
    small = tnt.compress(model, plan(model))
    assert torch.allclose(small(ids), model(ids), atol=1e-5)


def test_the_given_model_is_untouched_and_shares_nothing():
    model = tied()
    before, state = repr(model), copy.deepcopy(model.state_dict())
    small = tnt.compress(model, plan(model, rank=4))
    with torch.no_grad():
        for p in small.parameters():
            p.zero_()
    assert repr(model) == before
    assert all(torch.equal(t, state[n]) for n, t in model.state_dict().items())
    assert all(p.requires_grad and p.is_leaf for p in model.parameters())


def test_the_state_holds_factors_instead_of_weights():
    model = tied()
    small = tnt.compress(model, plan(model, rank=4))
    names = set(small.state_dict())
    assert {"embedding.factors.0", "decoder.factors.1", "blocks.0.bias", "norm.weight", "steps"} <= names
    assert not {n for n in names if n.endswith("weight")} - {"norm.weight"}
    fresh = tnt.compress(tied(1), plan(model, rank=4))
    assert not torch.allclose(fresh(tokens()), small(tokens()))
    assert str(fresh.load_state_dict(small.state_dict())) == "<All keys matched successfully>"
    assert torch.equal(fresh(tokens()), small(tokens()))


def test_tied_weights_are_one_copy_and_stay_tied():
    model = tied()
    small = tnt.compress(model, plan(model, rank=4))
    assert all(a is b for a, b in zip(small.embedding.factors, small.decoder.factors, strict=True))
    assert small.embedding.padding is None  # the decoder trains that row as well
    assert len({id(p) for p in small.parameters()}) == len(list(small.parameters()))
    small(tokens()).square().mean().backward()
    again = tnt.dense(small)
    assert again.embedding.weight is again.decoder.weight
    alone = tied(tied=False)
    assert tnt.compress(alone, plan(alone, rank=4)).embedding.padding is not None


def test_two_tables_of_one_weight_keep_the_row_that_neither_trains():
    model = nn.ModuleDict({name: nn.Embedding(40, 16, padding_idx=1) for name in ("source", "target")})
    model["target"].weight = model["source"].weight
    small = tnt.compress(model, tnt.plan(model, {".*weight": "low_rank"}, rank=1))
    assert all(not small[name](torch.tensor(1)).any() for name in model)
    model["target"].padding_idx = None  # which trains it
    assert tnt.compress(model, tnt.plan(model, {".*weight": "low_rank"}, rank=1))["source"].padding is None


def test_shapes_alone_are_enough():
    with torch.device("meta"):
        model = nn.Sequential(nn.Embedding(40, 16), nn.Linear(16, 8))
    planned = tnt.plan(model, {".*weight": "low_rank"}, rank=2)
    small = tnt.compress(model, planned)
    assert sum(p.numel() for p in small.parameters()) == planned.num_params + 8
    assert small(torch.zeros(3, dtype=torch.int64, device="meta")).shape == (3, 8)


def test_a_tied_weight_may_go_by_any_of_its_names():
    model = tied()
    fmt = tn.LowRank(30, 16, 4)
    small = tnt.compress(model, tn.Plan({"decoder.weight": fmt}))
    assert isinstance(small.embedding, tnt.FactorizedEmbedding)
    with pytest.raises(tn.TensorNetError, match="one tied weight and both are planned"):
        tnt.compress(model, tn.Plan({"decoder.weight": fmt, "embedding.weight": fmt}))


def test_dtype_mode_and_requires_grad_are_kept():
    model = tied(dtype=torch.bfloat16).eval()
    model.blocks[1].weight.requires_grad_(False)
    formats = tnt.plan(tied(), r".*blocks\.\d\.weight", format="low_rank", rank=4)
    small = tnt.compress(model, formats)
    assert {p.dtype for p in small.parameters()} == {torch.bfloat16}
    assert not any(m.training for m in small.modules())
    assert [p.requires_grad for p in small.blocks[1].parameters()] == [False, False]
    back = tnt.dense(small)
    assert not back.blocks[1].weight.requires_grad
    assert back.blocks[0].weight.requires_grad
    assert back(tokens()).dtype == torch.bfloat16


def test_dense_is_the_original_architecture():
    model = tied()
    small = tnt.compress(model, plan(model, rank=4))
    back = tnt.dense(small)
    assert repr(back) == repr(model)
    assert list(back.state_dict()) == list(model.state_dict())
    assert [type(m) for m in back.modules()] == [type(m) for m in model.modules()]
    assert torch.allclose(back(tokens()), small(tokens()), atol=1e-6)
    assert isinstance(small.blocks[0], tnt.FactorizedLinear)  # the given one is untouched


def test_a_module_may_be_the_whole_model_or_stand_in_two_places():
    layer = nn.Linear(12, 12)
    small = tnt.compress(layer, tnt.plan(layer, format="low_rank"))
    assert isinstance(small, tnt.FactorizedLinear)
    assert torch.allclose(tnt.dense(small).weight, layer.weight, atol=1e-6)
    twice = nn.Sequential(layer, nn.Tanh(), layer)
    small = tnt.compress(twice, tnt.plan(twice, format="low_rank"))
    assert small[0] is small[2]


def test_a_copy_and_a_saved_state_say_the_same():
    model = tied()
    small = tnt.compress(model, plan(model, rank=4))
    twin = copy.deepcopy(small)
    assert torch.equal(twin(tokens()), small(tokens()))
    assert twin.embedding.factors[0] is twin.decoder.factors[0]
    assert twin.embedding.factors[0] is not small.embedding.factors[0]
    file = io.BytesIO()
    torch.save(small.state_dict(), file)
    file.seek(0)
    twin.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(twin(tokens()), small(tokens()))


def test_attention_reads_weights_of_its_output():
    """torch.nn.MultiheadAttention calls none of its layers: it reads their weights."""
    torch.manual_seed(0)
    model = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
    small = tnt.compress(model, tnt.plan(model, format="low_rank"))
    x = torch.randn(2, 5, 16)
    assert isinstance(small.self_attn.out_proj, tnt.FactorizedLinear)
    assert torch.allclose(small(x), model(x), atol=1e-5)
    with torch.no_grad():  # its fast path
        assert torch.allclose(small.eval()(x), model.eval()(x), atol=1e-5)
    assert repr(tnt.dense(small)) == repr(model)


def test_error_and_parameters_are_on_the_receipt():
    model = tied(tied=False)
    formats = tnt.plan(
        model, {r"blocks\.0\.weight": tn.LowRank(24, 16, 3), r"embedding\.weight": tn.LowRank(30, 16, 2)}
    )
    small = tnt.compress(model, formats)
    told = tnt.receipt(small)
    for entry in told.entries:
        w = model.get_parameter(entry.name).double()
        keeps = torch.linalg.svdvals(w)[: entry.format.rank].square().sum() / w.square().sum()
        assert entry.before == w.numel()
        if entry.name.startswith("blocks"):
            assert entry.error == pytest.approx((1 - keeps).sqrt().item(), rel=1e-4)
            assert entry.after == entry.format.num_params
    assert told.before == sum(p.numel() for p in model.parameters())
    padding = small.embedding.padding.numel()
    assert told.after == sum(p.numel() for p in small.parameters()) + padding
    lines = str(told).splitlines()
    assert len(lines) == 4
    assert lines[-1].split() == [
        "whole",
        "model",
        "–",
        f"{told.before:,}",
        f"{told.after:,}",
        f"{told.after / told.before:.3f}",
    ]


def test_a_receipt_against_the_original_is_measured_now():
    model = tied()
    small = tnt.compress(model, plan(model))
    assert max(e.error for e in tnt.receipt(small, model).entries) < 1e-6
    with torch.no_grad():
        small.blocks[0].factors[0].mul_(2)
    errors = {e.name: e.error for e in tnt.receipt(small, model).entries}
    assert errors["blocks.0.weight"] == pytest.approx(1.0, abs=1e-5)
    assert errors["embedding.weight"] < 1e-6
    back = {e.name: e.error for e in tnt.receipt(tnt.dense(small), model).entries}
    assert back["blocks.0.weight"] == pytest.approx(1.0, abs=1e-5)
    assert tnt.receipt(model, model).entries == ()
    with pytest.raises(tn.TensorNetError, match=r"receipt: embedding.weight is .* none of this name"):
        tnt.receipt(small, nn.Linear(2, 2))


def test_a_zero_weight_has_no_error():
    layer = nn.Linear(6, 4)
    nn.init.zeros_(layer.weight)
    (entry,) = tnt.receipt(tnt.compress(layer, tnt.plan(layer, format="low_rank", rank=1))).entries
    assert entry.error == 0


def test_a_plan_of_transposed_weights_is_taken():
    layer = nn.Linear(12, 8)
    plan = tn.Plan({"weight": tn.LowRank(12, 8)}, transposed=frozenset({"weight"}))
    small = tnt.compress(layer, plan)
    x = torch.randn(3, 12)
    assert torch.allclose(small(x), layer(x), atol=1e-6)
    assert torch.allclose(tnt.dense(small).weight, layer.weight, atol=1e-6)


def test_what_is_not_to_be_replaced_is_refused():
    attention = nn.MultiheadAttention(16, 2)
    refusal(
        attention,
        "in_proj_weight",
        "in_proj_weight is the in_proj_weight of a .*MultiheadAttention, needed the weight of",
    )

    class Mine(nn.Linear):
        """Computes who knows what."""

    refusal(
        nn.Sequential(Mine(12, 8)),
        "all-linear",
        r"0.weight is the weight of a .*Mine, needed .* none of their subclasses",
    )
    refusal(nn.Bilinear(4, 4, 4), "weight", "weight of a .*Bilinear", format="tucker")
    refusal(nn.Conv1d(4, 4, 3), "weight", "weight of a .*Conv1d", format="conv_mpo")
    model = nn.Sequential(nn.Linear(12, 8))
    model[0].register_forward_hook(lambda *_: None)
    refusal(model, "all-linear", "has hooks, needed none")


def test_a_plan_of_another_model_is_refused():
    model, layer = tied(), nn.Linear(12, 8)
    with pytest.raises(tn.TensorNetError, match=r"has no parameter elsewhere.weight; .* plan it anew"):
        tnt.compress(model, tn.Plan({"elsewhere.weight": tn.LowRank(4, 4)}))
    with pytest.raises(tn.TensorNetError, match=r"blocks.0.weight: LowRank: got a weight of shape \(24, 16\)"):
        tnt.compress(model, tn.Plan({"blocks.0.weight": tn.LowRank(16, 24)}))
    with pytest.raises(tn.TensorNetError, match=r"got \(Linear, dict\), needed an nn.Module and a plan"):
        tnt.compress(layer, {"weight": tn.LowRank(8, 12)})
    with pytest.raises(tn.TensorNetError, match="without a factorised weight"):
        tnt.dense(layer)


def test_a_broken_weight_is_named():
    model = tied()
    with torch.no_grad():
        model.blocks[1].weight[0, 0] = float("nan")
    with pytest.raises(tn.TensorNetError, match=r"blocks.1.weight: LowRank: the weight of shape .* has 1 NaN"):
        tnt.compress(model, plan(model))
