"""What a step does no more often than it must, keeps no longer than it must, and clips; counted, not timed."""

import weakref
from functools import partial

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch_adapter.students import CORES, loss_of, student, train

import tensornet as tn
import tensornet_torch as tnt
from tensornet_torch._guards import Guard
from tensornet_torch._portions import BY_ITSELF


def adamw(parameters):
    return torch.optim.AdamW(parameters, lr=1e-2, weight_decay=0.1)


def wrapped(model, make=adamw, **options):
    return tnt.overparameterize(make(model.parameters()), model, tnt.plan(model, cores=CORES), **options)


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def counting(monkeypatch, owner, name):
    calls, method = [], getattr(owner, name)

    def counted(*args, **kwargs):
        calls.append(args)
        return method(*args, **kwargs)

    monkeypatch.setattr(owner, name, counted)
    return calls


# ---- clipping -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("max_norm", [1e-3, 0.3, 1e9])
def test_max_factor_norm_is_clip_grad_norm_in_explicit_training(max_norm, aligned):
    """All factors of all weights are one vector, as in training of the factors by autograd; other parameters are not in it."""
    ours, theirs, teacher = (student(seed, torch.float64) for seed in (0, 0, 1))
    sgd = partial(torch.optim.SGD, lr=0.1, momentum=0.9)
    alignment = tnt.Alignment(teacher, weight=3.0, gauge="none") if aligned else None
    optimizer = wrapped(ours, sgd, max_factor_norm=max_norm, alignment=alignment, lr_transfer=False)
    plan = optimizer.plan
    factors, targets = (
        {n: [nn.Parameter(t) for t in plan[n].decompose(m.get_parameter(n).detach())] for n in plan}
        for m in (theirs, teacher)
    )
    rest = {n: p for n, p in theirs.named_parameters() if n not in plan}
    every = [f for fs in factors.values() for f in fs]
    reference = sgd([*rest.values(), *every])
    for step in range(5):
        train(ours, optimizer, range(step, step + 1))
        reference.zero_grad()
        dense = {n: plan[n].contract(f) for n, f in factors.items()}
        x, y = (t.double() if t.is_floating_point() else t for t in _batch(step))
        loss = nn.functional.cross_entropy(torch.func.functional_call(theirs, rest | dense, (x,)), y)
        if aligned:
            loss = loss + 3.0 * sum(tn.align(plan[n], factors[n], targets[n], gauge="none") for n in plan)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(every, max_norm)
        reference.step()
        torch.testing.assert_close(optimizer.factor_norm, norm.detach(), rtol=1e-9, atol=0)
        assert (norm > max_norm) == (max_norm < 1)
    for n in plan:
        torch.testing.assert_close(ours.get_parameter(n), plan[n].contract(factors[n]), rtol=1e-10, atol=1e-12)


def _batch(step):
    from torch_adapter.students import batch

    return batch(step, torch.float64)


def test_no_clipping_no_norm():
    model = student(0)
    optimizer = wrapped(model)
    train(model, optimizer, range(1))
    assert optimizer.factor_norm.isnan()


@pytest.mark.parametrize("bad", [0, -1.0, float("nan"), "1"])
def test_norms_that_are_none(bad):
    with pytest.raises(tn.TensorNetError, match=r"max_factor_norm=.*, needed a number above 0"):
        wrapped(student(0), max_factor_norm=bad)


# ---- how often ------------------------------------------------------------------------------------------------------


def test_one_contraction_a_step_serves_the_write_and_the_next_pullback(monkeypatch):
    model = student(0)
    optimizer = wrapped(model, lr_transfer=False)
    made, again = counting(monkeypatch, tn.Format, "linearize"), counting(monkeypatch, tn.Format, "pullback")
    contracted = counting(monkeypatch, tn.Format, "contract")
    train(model, optimizer, range(4))
    assert (len(made), len(again), len(contracted)) == (4 * len(optimizer.plan), 0, 0)


@pytest.mark.parametrize("gauge", tn.alignment.GAUGES)
def test_what_does_not_change_of_the_teacher_is_worked_out_once(monkeypatch, gauge):
    """The invariant gauge forms the student's weight in every step, the teacher's never again."""
    model = student(0)
    optimizer = wrapped(model, alignment=tnt.Alignment(student(1), gauge=gauge, every=1), lr_transfer=False)
    contracted = counting(monkeypatch, tn.Format, "contract")
    train(model, optimizer, range(4))
    assert len(contracted) == (4 * len(optimizer.plan) if gauge == "invariant" else 0)


@pytest.mark.parametrize("gauge", tn.alignment.GAUGES)
def test_a_prepared_target_is_the_target(gauge):
    fmt = tn.MPO((2, 3), (4, 2))
    ours, theirs = ([torch.randn(s, dtype=torch.float64) for s in fmt.shapes] for _ in range(2))
    ready = tn.alignment.prepared(fmt, theirs, gauge)
    assert tn.alignment.distance_to(fmt, ours, ready, gauge) == tn.alignment.distance_to(fmt, ours, theirs, gauge) > 0
    found = [tn.alignment.distance_and_gradient(fmt, ours, t, gauge) for t in (ready, theirs)]
    assert found[0][0] == found[1][0]
    for one, other in zip(*(gradient for _, gradient in found), strict=True):
        assert (one is None and other is None) or torch.equal(one, other)


def resumed(first, then):
    """The weights after six steps with these options, and after three that were saved and gone on from with the others."""
    whole, half = student(0), student(0)
    train(whole, wrapped(whole, **first), range(6))
    saved = wrapped(half, **first)
    train(half, saved, range(3))
    loaded = wrapped(half, **then)
    loaded.load_state_dict(saved.state_dict())
    train(half, loaded, range(3, 6))
    return weights(whole), weights(half)


@pytest.mark.parametrize("gauge", tn.alignment.GAUGES)
def test_alignment_resumes_bit_identically_in_every_gauge(gauge):
    alignment = tnt.Alignment(student(1), weight=3.0, gauge=gauge, every=4)
    whole, half = resumed({"alignment": alignment}, {"alignment": alignment})
    assert torch.equal(whole, half)


def test_rotations_begin_anew_after_a_state_of_another_gauge():
    model = student(0)
    optimizer = wrapped(model, alignment=tnt.Alignment(student(1), gauge="none"))
    train(model, optimizer, range(3))
    after = wrapped(model, alignment=tnt.Alignment(student(1)))
    after.load_state_dict(optimizer.state_dict())
    train(model, after, range(1))
    assert after.alignment_loss < optimizer.alignment_loss  # rotated onto the student
    assert (after.state_dict()["alignment"]["steps"], after.state_dict()["alignment"]["stale"]) == (4, False)


def test_weights_are_read_twice_a_step_however_often_the_closure_is_called(monkeypatch):
    model, evaluations = student(0), []
    optimizer = wrapped(model, partial(torch.optim.LBFGS, lr=0.1, max_iter=6), lr_transfer=False)

    def closure():
        evaluations.append(1)
        optimizer.zero_grad()
        loss = loss_of(model, 0)
        loss.backward()
        return loss

    optimizer.step(closure)
    evaluations.clear()
    read = counting(monkeypatch, Guard, "checksums")
    optimizer.step(closure)
    assert len(evaluations) > 3
    assert len(read) == 2


def test_a_step_goes_on_after_a_closure_that_failed():
    model, calls, fail_at = student(0), [], []
    lbfgs = partial(torch.optim.LBFGS, max_iter=6, line_search_fn="strong_wolfe")
    optimizer = wrapped(model, lbfgs, lr_transfer=False)

    def closure():
        calls.append(1)
        if len(calls) in fail_at:
            raise RuntimeError("out of memory")
        optimizer.zero_grad()
        loss = loss_of(model, 0)
        loss.backward()
        return loss

    optimizer.step(closure)
    written = weights(model)
    fail_at.append(len(calls) + 3)
    with pytest.raises(RuntimeError, match="out of memory"):
        optimizer.step(closure)
    assert not torch.equal(weights(model), written)  # they are those of trial factors
    optimizer.inner.state.clear()  # LBFGS itself does not survive it
    before = loss_of(model, 0).item()
    optimizer.step(closure)
    assert loss_of(model, 0).item() < before


# ---- how long -------------------------------------------------------------------------------------------------------


class Alive(TorchDispatchMode):
    """Bytes of all storages that operations make, now and at most."""

    def __init__(self):
        super().__init__()
        self.now, self.peak, self.known = 0, 0, weakref.WeakSet()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        known = {id(s) for s in self.known}
        given = {id(t.untyped_storage()) for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)}
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor) and id(tensor.untyped_storage()) not in known | given:
                storage = tensor.untyped_storage()
                self.known.add(storage)
                self.now += storage.nbytes()
                weakref.finalize(storage, self._free, storage.nbytes())
        self.peak = max(self.peak, self.now)
        return made

    def _free(self, size):
        self.now -= size


def stack(depth=8, width=64):
    torch.manual_seed(0)
    return nn.Sequential(*(nn.Linear(width, width, bias=False) for _ in range(depth)))


def peak_of_a_step(**options):
    """(bytes at most during a step, bytes that stay after it), beyond what was there, over those of all factors."""
    model = stack()
    optimizer = wrapped(model, partial(torch.optim.SGD, lr=0.1), **options)
    x = torch.randn(2, 64)
    for _ in range(2):
        model(x).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    model(x).square().mean().backward()
    optimizer._stepper._pullbacks.clear()  # of the last step, made outside the count
    with Alive() as alive:
        optimizer.step()
    factors = 4 * sum(f.num_params for f in optimizer.plan.values())
    return alive.peak / factors, alive.now / factors


def test_low_memory_holds_one_weights_gradients_and_no_products():
    """Eight equal weights: an eighth of the gradients, and what one contraction takes beside them."""
    peak, stays = peak_of_a_step(lr_transfer=False)
    low, low_stays = peak_of_a_step(low_memory=True, lr_transfer=False)
    assert peak > 1.0  # the gradients of all factors
    assert stays > 0.3  # the products of all contractions
    assert low < 3 / 8
    assert low_stays < 0.01


def test_lr_transfer_holds_the_factors_as_they_were_and_no_more():
    """While the step lasts; by low_memory those of one weight."""
    plain, low = peak_of_a_step(lr_transfer=False), peak_of_a_step(low_memory=True, lr_transfer=False)
    for before, (peak, stays) in ((plain, peak_of_a_step()), (low, peak_of_a_step(low_memory=True))):
        assert before[0] < peak < before[0] + 1.2
        assert abs(stays - before[1]) < 0.01
    assert peak < 5 / 8


@pytest.mark.parametrize("name", BY_ITSELF)
@pytest.mark.parametrize("aligned", [False, True])
def test_low_memory_trains_the_same_to_the_last_bit(name, aligned):
    alignment = tnt.Alignment(student(1), weight=3.0, every=2) if aligned else None
    found = []
    for low_memory in (False, True):
        model = student(0)
        make = partial(getattr(torch.optim, name), lr=1e-3)
        optimizer = wrapped(model, make, alignment=alignment, low_memory=low_memory)
        train(model, optimizer, range(4))
        found.append((weights(model), optimizer.alignment_loss, optimizer.state_dict()["state"].keys()))
    assert torch.equal(found[0][0], found[1][0])
    assert found[0][2] == found[1][2]
    if aligned:
        torch.testing.assert_close(found[0][1], found[1][1])


def test_low_memory_with_a_closure_and_an_unused_weight():
    found = []
    for low_memory in (False, True):
        model = student(0)
        optimizer = wrapped(model, low_memory=low_memory, alignment=tnt.Alignment(student(1)))

        def closure(model=model, optimizer=optimizer):
            optimizer.zero_grad()
            loss = loss_of(model, 0)
            loss.backward()
            model.head.weight.grad = None
            return loss

        found.append([optimizer.step(closure) for _ in range(3)] + [weights(model)])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_low_memory_resumes_bit_identically():
    whole, half = resumed({"low_memory": True}, {"low_memory": False})
    assert torch.equal(whole, half)


def test_low_memory_is_for_optimizers_that_treat_every_parameter_by_itself():
    class Mine(torch.optim.SGD):
        pass

    for make in (Mine, torch.optim.LBFGS):
        with pytest.raises(tn.TensorNetError, match=rf"low_memory=True with {make.__name__}, needed one of"):
            wrapped(student(0), partial(make, lr=0.1), low_memory=True)
    with pytest.raises(tn.TensorNetError, match=r"low_memory=True with max_factor_norm=1.0; needed one of the two"):
        wrapped(student(0), low_memory=True, max_factor_norm=1.0)


# ---- waiting for the device -----------------------------------------------------------------------------------------


class Waits(TorchDispatchMode):
    """Operations whose result the host has to wait for."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = str(function)
        if any(w in name for w in ("_local_scalar_dense", "aten.equal.", "is_nonzero", "nonzero")):
            self.seen.append(name)
        return function(*args, **(kwargs or {}))


def waits_in_a_step(monkeypatch, guard, **options):
    model = student(0)
    make = partial(torch.optim.AdamW, lr=1e-2, fused=True)
    optimizer = wrapped(model, make, guard=guard, max_factor_norm=1.0, **options)
    train(model, optimizer, range(2))
    optimizer.zero_grad()
    loss_of(model, 0).backward()
    listed = counting(monkeypatch, torch.Tensor, "tolist")
    with Waits() as waits:
        optimizer.step()
    return len(waits.seen) + len(listed)


def test_a_step_that_asks_version_counters_waits_for_nothing(monkeypatch):
    assert waits_in_a_step(monkeypatch, "values") > 0
    assert waits_in_a_step(monkeypatch, "versions", lr_transfer=False) == 0


def test_the_bound_on_the_steps_of_all_weights_is_one_question(monkeypatch):
    assert len(tnt.plan(student(0), cores=CORES)) > 1
    assert waits_in_a_step(monkeypatch, "versions", lr_transfer=True) == 1


def swap(w):
    w.data = w.data + 1


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda w: w.data.add_(1), id="data"),
        pytest.param(lambda w: w.detach().add_(1), id="detached"),
        pytest.param(lambda w: torch.no_grad()(w.copy_)(torch.ones_like(w)), id="copied"),
        pytest.param(lambda w: torch._foreach_add_([w.detach()], 1), id="foreach"),
        pytest.param(swap, id="swapped"),
    ],
)
@pytest.mark.parametrize("guard", ["values", "versions"])
def test_what_each_guard_sees(write, guard, request):
    model = student(0)
    optimizer = wrapped(model, guard=guard)
    train(model, optimizer, range(1))
    write(model.head.weight)
    if "versions-data" in request.node.name:  # what its documentation says it misses
        train(model, optimizer, range(1))
        return
    for _ in range(2):  # a refusal does not count as having looked
        with pytest.raises(tn.TensorNetError, match=r"somebody else wrote head.weight"):
            train(model, optimizer, range(1))
    optimizer.resync()
    train(model, optimizer, range(1))


def test_the_same_bits_written_back_are_no_overwrite_for_version_counters_either():
    model = student(0)
    optimizer = wrapped(model, guard="versions")
    train(model, optimizer, range(1))
    model.load_state_dict({n: t.clone() for n, t in model.state_dict().items()})
    train(model, optimizer, range(2))


def test_unknown_guard():
    with pytest.raises(tn.TensorNetError, match=r"unknown guard 'none'; there are values, versions"):
        wrapped(student(0), guard="none")


# ---- compiled -------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*Dynamo detected a call to a `functools.lru_cache`:UserWarning")
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
@pytest.mark.parametrize("options", [{"guard": "versions", "max_factor_norm": 0.1}, {"low_memory": True}], ids=str)
def test_a_compiled_step_is_the_step(options):
    found = []
    for compiled in (False, True):
        torch.manual_seed(0)
        model = nn.Linear(6, 4)
        optimizer = wrapped(model, partial(torch.optim.SGD, lr=0.1, momentum=0.9), **options)
        torch.compiler.reset()
        torch._dynamo.utils.counters.clear()
        step = torch.compile(optimizer.step, backend="eager") if compiled else optimizer.step
        x = torch.randn(3, 6)
        for _ in range(3):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            step()
        assert (torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0) == compiled
        found.append(weights(model))
        with torch.no_grad():
            model.weight.add_(1)
        with pytest.raises(tn.TensorNetError, match=r"somebody else wrote weight"):
            step()
    torch.testing.assert_close(found[0], found[1], rtol=1e-6, atol=1e-7)
