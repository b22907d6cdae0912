"""What must not pass in silence: foreign writes, steps that fail half-way, optimisers that go their own way."""

import pytest
import torch
from torch import nn

import tensornet as tn
import tensornet_torch as tnt


def made(dtype=torch.float32, n=8, optimizer=torch.optim.SGD, rate=0.1, **options):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(n, n, dtype=dtype), nn.Linear(n, n, dtype=dtype))
    plan = tnt.plan(model, cores=3)
    return model, tnt.overparameterize(optimizer(model.parameters(), lr=rate), model, plan, **options)


def backward(model):
    weight = model[0].weight
    model(torch.ones(2, weight.shape[1], dtype=weight.dtype)).abs().sum().backward()


def rows_swapped(w):
    return w[[1, 0, *range(2, len(w))]]


def first_row_negated(w):
    return torch.cat([-w[:1], w[1:]])


WRITES = {
    "transposed": lambda w: w.T,
    "negated": lambda w: -w,
    "a row negated": first_row_negated,
    "doubled": lambda w: 2 * w,
    "rows swapped": rows_swapped,
    "columns swapped": lambda w: rows_swapped(w.T).T,
    "one entry": lambda w: w + (torch.arange(w.numel()) == 5).reshape(w.shape) * 1.0,
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("kind", WRITES)
def test_another_writer_is_noticed(kind, dtype):
    model, optimizer = made(dtype, n=64)
    backward(model)
    with torch.no_grad():
        model[0].weight.copy_(WRITES[kind](model[0].weight.clone()))
    with pytest.raises(tn.TensorNetError, match=r"somebody else wrote 0\.weight since"):
        optimizer.step()


def test_swapped_rows_of_an_identity_are_noticed():
    model = nn.Linear(8, 8)
    nn.init.eye_(model.weight)
    optimizer = tnt.overparameterize(
        torch.optim.SGD(model.parameters()), model, tnt.plan(model, cores=3), gauge="identity"
    )
    with torch.no_grad():
        model.weight.copy_(rows_swapped(model.weight.clone()))
    with pytest.raises(tn.TensorNetError, match="somebody else wrote weight"):
        optimizer.step()


class Flat(torch.optim.Optimizer):
    """Keeps a list of its own, as optimisers that flatten their parameters do."""

    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})
        self.kept = [p for g in self.param_groups for p in g["params"]]

    @torch.no_grad()
    def step(self, closure=None):
        for p in self.kept:
            if p.grad is not None:
                p.sub_(self.param_groups[0]["lr"] * p.grad)


@pytest.mark.parametrize("first", ["a rate of 0", "no gradient"])
def test_an_optimiser_that_goes_its_own_way_is_refused_later_too(first):
    model, optimizer = made(optimizer=Flat)
    if first == "a rate of 0":
        optimizer.param_groups[0]["lr"] = 0.0
        backward(model)
    optimizer.step()
    optimizer.param_groups[0]["lr"] = 0.1
    backward(model)
    with pytest.raises(tn.TensorNetError, match="Flat stepped on dense weights instead of their factors"):
        optimizer.step()


def test_a_step_that_fails_half_way_leaves_weights_of_their_factors(monkeypatch):
    model, optimizer = made()
    backward(model)
    optimizer.step()
    linearize, calls = tn.MPO.linearize, []

    def fails(self, factors):
        calls.append(self)
        if len(calls) == 2:
            raise MemoryError
        return linearize(self, factors)

    monkeypatch.setattr(tn.MPO, "linearize", fails)
    backward(model)
    with pytest.raises(MemoryError):
        optimizer.step()
    for name, w in (("0.weight", model[0].weight), ("1.weight", model[1].weight)):
        assert torch.equal(optimizer.plan[name].contract(optimizer.factors(name)), w)
    backward(model)
    optimizer.step()  # nobody is accused of having written them


def test_asking_for_the_state_of_a_dense_weight_does_no_harm():
    model, optimizer = made(optimizer=torch.optim.Adam)
    backward(model)
    optimizer.step()
    before = set(optimizer.state_dict()["state"])
    assert not optimizer.state[model[0].weight]
    assert set(optimizer.state_dict()["state"]) == before


def test_zero_grad_of_the_inner_optimiser_is_of_the_whole_model():
    model, optimizer = made()
    backward(model)
    optimizer.inner.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_low_memory_takes_no_hooks_on_the_inner_step():
    model, optimizer = made(low_memory=True)
    optimizer.inner.register_step_post_hook(lambda *_: None)
    backward(model)
    with pytest.raises(tn.TensorNetError, match="low_memory=True with a step hook on the inner optimiser"):
        optimizer.step()


def test_other_alignment_pairs_are_refused():
    teacher = {f"{k}.weight": torch.randn(8, 8) for k in range(2)}
    _, optimizer = made(alignment=tnt.Alignment(teacher, pairs={"0.weight": "0.weight"}))
    state = optimizer.state_dict()
    _, other = made(alignment=tnt.Alignment(teacher, pairs={"1.weight": "1.weight"}))
    before = other.factors("0.weight")
    with pytest.raises(tn.TensorNetError, match=r"targets of 0\.weight, this optimiser aligns 1\.weight"):
        other.load_state_dict(state)
    assert all(torch.equal(a, b) for a, b in zip(before, other.factors("0.weight"), strict=True))


def test_suggested_rate_stays_a_rate():
    model = nn.Linear(768, 768)
    assert tnt.suggest_lr(1e-4, tnt.plan(model, format="low_rank", rank=8), model) == 1e-4
    with pytest.raises(tn.TensorNetError, match="suggest_lr: the model has no weight of the plan's shape"):
        tnt.suggest_lr(1e-4, tnt.plan(model, cores=3), nn.Linear(8, 8))


def test_a_layer_without_a_shape_is_not_planned():
    model = torch.nn.Sequential(torch.nn.LazyLinear(12), torch.nn.Linear(12, 6))
    with pytest.raises(
        tn.TensorNetError, match=r"plan: 0\.weight, 0\.bias have no shape .*; call the model on a batch"
    ):
        tnt.plan(model, format="low_rank")
    model(torch.randn(2, 8))
    assert set(tnt.plan(model, format="low_rank")) == {"0.weight", "1.weight"}


def test_a_model_that_was_given_other_tensors_is_no_longer_trained():
    """load_state_dict(assign=True) puts the tensors themselves into the model; the optimiser holds the old ones."""
    model, optimizer = made()
    model.load_state_dict({n: t.clone() for n, t in model.state_dict().items()}, assign=True)
    backward(model)
    with pytest.raises(
        tn.TensorNetError, match=r"another tensor as 0.weight, 1.weight than .*; make the optimiser anew"
    ):
        optimizer.step()


def test_a_parameter_may_move_within_the_model():
    model, optimizer = made()
    backward(model)
    before, layer = model[0].weight.detach().clone(), model[0]
    model[0] = nn.Sequential(layer)
    del layer.weight
    layer.register_parameter("kernel", optimizer.param_groups[0]["params"][0])
    optimizer.step()
    assert not torch.equal(layer.kernel, before)


def test_factors_of_any_strides_are_told_apart():
    """An axis of size 1 may have any stride and count as contiguous: such a factor in float64 was no view of words."""
    model = nn.Linear(12, 6, dtype=torch.float64)
    plan = tnt.plan(model, format="monarch")
    optimizer = tnt.overparameterize(torch.optim.SGD(model.parameters(), lr=0.1), model, plan)
    before = model.weight.detach().clone()
    model(torch.ones(2, 12, dtype=torch.float64)).square().sum().backward()
    optimizer.step()
    assert not torch.equal(model.weight, before)


# ---- the optimiser that was wrapped, by hand ------------------------------------------------------------------------


def added(optimizer):
    extra = nn.Parameter(torch.ones(3))
    optimizer.add_param_group({"params": [extra]})
    return extra


def test_a_rate_written_to_the_wrapped_optimiser_is_refused_once():
    """It would be written over in silence."""
    model, optimizer = made()
    backward(model)
    optimizer.step()
    before = model[0].weight.detach().clone()
    for group in optimizer.inner.param_groups:
        group["lr"] = 0.0
    with pytest.raises(tn.TensorNetError, match=r"wrapped: group 0 has lr=0\.0 in place of 0\.1; needed .*; write to"):
        optimizer.step()
    assert torch.equal(model[0].weight, before)
    assert optimizer.param_groups[0]["lr"] == 0.1
    optimizer.step()
    assert not torch.equal(model[0].weight, before)


@pytest.mark.parametrize("write", [lambda inner: inner.param_groups[0].update(lr=0.0), added])
def test_what_was_written_by_hand_is_not_saved_nor_loaded_over(write):
    _, optimizer = made()
    state = optimizer.state_dict()
    for attempt in (optimizer.state_dict, lambda: optimizer.load_state_dict(state), lambda: added(optimizer)):
        write(optimizer.inner)
        with pytest.raises(tn.TensorNetError, match="wrote to the optimiser that was wrapped"):
            attempt()
    optimizer.load_state_dict(state)


def test_a_group_added_to_the_wrapped_optimiser_is_refused_and_can_be_added_to_ours():
    model, optimizer = made()
    extra = added(optimizer.inner)
    with pytest.raises(tn.TensorNetError, match=r"there are 2 groups in place of 1; .* call its add_param_group"):
        optimizer.step()
    optimizer.add_param_group({"params": [extra]})
    extra.grad = torch.ones(3)
    backward(model)
    optimizer.step()
    assert torch.equal(extra.detach(), torch.full((3,), 0.9))


def test_a_tensor_for_a_rate_is_one_for_both_and_another_in_its_place_is_refused():
    model, optimizer = made(optimizer=torch.optim.Adam, rate=torch.tensor(0.1))
    rate = optimizer.inner.param_groups[0]["lr"]
    backward(model)
    optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())  # which copies it
    optimizer.inner.param_groups[0]["lr"].zero_()
    before = model[0].weight.detach().clone()
    optimizer.step()
    assert torch.equal(model[0].weight, before)
    optimizer.inner.param_groups[0]["lr"] = rate.clone()
    with pytest.raises(tn.TensorNetError, match=r"group 0 has lr=tensor"):
        optimizer.step()


def test_a_counter_of_a_step_that_failed_is_nobodys_writing():
    class Counting(torch.optim.SGD):
        @torch.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                group["k"] = group.get("k", 0) + 1
            if self.param_groups[0]["k"] == 2 and not hasattr(self, "failed"):
                self.failed = True
                raise MemoryError
            super().step(closure)

    model, optimizer = made(optimizer=Counting)
    backward(model)
    optimizer.step()
    with pytest.raises(MemoryError):
        optimizer.step()
    optimizer.step()
    assert optimizer.inner.param_groups[0]["k"] == optimizer.param_groups[0]["k"] == 2


def test_a_scheduler_of_the_wrapped_optimiser_is_named_before_the_rate_it_writes():
    model, optimizer = made()
    torch.optim.lr_scheduler.LambdaLR(optimizer.inner, lambda step: 0.5)
    backward(model)
    for _ in range(2):
        with pytest.raises(tn.TensorNetError, match=r"make the scheduler after overparameterize"):
            optimizer.step()
