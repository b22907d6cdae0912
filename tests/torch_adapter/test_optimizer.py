"""What training loops do to an optimiser: groups, schedulers, clipping, saving, and mistakes."""

import copy
import io
import itertools
import math

import pytest
import torch
from torch import nn
from torch_adapter.students import CORES, loss_of, student, train

import tensornet as tn
import tensornet_torch as tnt


def wrapped(model, rules="all-linear", alignment=None, lr=1e-2, **options):
    plan = tnt.plan(model, rules, cores=CORES)
    return tnt.overparameterize(
        torch.optim.AdamW(model.parameters(), lr=lr), model, plan, alignment=alignment, **options
    )


def swapped(w):
    w[0, 0], w[1, 2] = w[1, 2].clone(), w[0, 0].clone()
    return w


def signature(model):
    return [(n, tuple(t.shape), t.dtype) for n, t in model.state_dict().items()], [type(m) for m in model.modules()]


def test_the_model_never_changes():
    model = student(0)
    before, parameters = signature(model), list(model.parameters())
    optimizer = wrapped(model)
    assert signature(model) == before
    train(model, optimizer, range(3))
    assert signature(model) == before
    assert all(p is q for p, q in zip(model.parameters(), parameters, strict=True))
    fresh = student(7)
    assert str(fresh.load_state_dict(model.state_dict(), strict=True)) == "<All keys matched successfully>"
    x = torch.randn(5, 12)
    assert torch.equal(fresh(x), model(x))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_the_weight_is_the_contraction_of_its_factors():
    model = student(0)
    optimizer = wrapped(model)
    train(model, optimizer, range(3))
    for name, fmt in optimizer.plan.items():
        assert torch.equal(model.get_parameter(name), fmt.contract(optimizer.factors(name)))


def test_identity_start_is_exact_to_the_last_bit():
    model, twin = student(0), student(0)
    wrapped(model, gauge="identity")
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), twin.parameters(), strict=True))


def test_param_groups_hold_the_dense_parameters_and_their_hyper_parameters_are_read_through():
    model = student(0)
    decay = [p for p in model.parameters() if p.ndim == 2]
    rest = [p for p in model.parameters() if p.ndim != 2]
    inner = torch.optim.AdamW([{"params": decay, "weight_decay": 0.5}, {"params": rest, "lr": 3e-3}], lr=1e-2)
    optimizer = tnt.overparameterize(inner, model, tnt.plan(model, cores=3))
    assert isinstance(optimizer, torch.optim.Optimizer)
    assert {id(p) for g in optimizer.param_groups for p in g["params"]} == {id(p) for p in model.parameters()}
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5**step)
    train(model, optimizer, range(1))
    scheduler.step()
    train(model, optimizer, range(1))
    assert [g["lr"] for g in optimizer.inner.param_groups] == [5e-3, 1.5e-3]
    optimizer.param_groups[0]["lr"] = 0.0
    optimizer.param_groups[0]["weight_decay"] = 0.0
    before = [p.clone() for p in decay]
    train(model, optimizer, range(1))
    assert all(torch.equal(p, q) for p, q in zip(decay, before, strict=True))


def test_weight_decay_acts_on_the_factors_without_lr_transfer():
    model = student(0)
    inner = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.5)
    plan = tnt.plan(model, ["head.weight"], cores=3)
    optimizer = tnt.overparameterize(inner, model, plan, gauge="identity", lr_transfer=False)
    before = model.head.weight.detach().clone()
    model.head.weight.grad = torch.zeros_like(before)
    optimizer.step()
    assert torch.allclose(model.head.weight, before * (1 - 0.05) ** 3, rtol=1e-6)


def test_named_parameters_keep_their_names():
    model = student(0)
    inner = torch.optim.AdamW(list(model.named_parameters()), lr=1e-2)
    optimizer = tnt.overparameterize(inner, model, tnt.plan(model, ["head.weight"], cores=3))
    assert optimizer.param_groups[0]["param_names"] == [n for n, _ in model.named_parameters()]
    assert "head.weight.2" in inner.param_groups[0]["param_names"]
    train(model, optimizer, range(2))


def test_gradient_accumulation_and_clipping_act_on_the_dense_gradient():
    model = student(0)
    optimizer = wrapped(model)
    for step in range(4):
        (loss_of(model, step) / 4).backward()
    norm = nn.utils.clip_grad_norm_([p for g in optimizer.param_groups for p in g["params"]], 1e-3)
    assert math.isfinite(norm)
    assert norm > 1e-3
    optimizer.step()
    optimizer.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_an_unused_weight_stays():
    model = student(0)
    optimizer = wrapped(model)
    before = model.head.weight.detach().clone()
    for p in (model.blocks[0].weight, model.blocks[1].weight):
        p.grad = torch.ones_like(p)
    optimizer.step()
    assert torch.equal(model.head.weight, before)


def test_autocast_leaves_factors_in_float32():
    model = student(0)
    optimizer = wrapped(model)
    with torch.autocast("cpu", torch.bfloat16):
        loss_of(model, 0).backward()
        optimizer.step()
    for name, fmt in optimizer.plan.items():
        assert all(f.dtype == torch.float32 for f in optimizer.factors(name))
        assert torch.equal(model.get_parameter(name), fmt.contract(optimizer.factors(name)))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_parameters_have_float32_factors(dtype):
    model = student(0).to(dtype)
    inner = torch.optim.SGD(model.parameters(), lr=0.1)  # AdamW's ε is 0 in float16, and its dense biases turn NaN
    optimizer = tnt.overparameterize(inner, model, tnt.plan(model, cores=CORES))
    train(model, optimizer, range(3))
    assert all(p.dtype == dtype for p in model.parameters())
    for name, fmt in optimizer.plan.items():
        factors = optimizer.factors(name)
        assert all(f.dtype == torch.float32 and f.isfinite().all() for f in factors)
        assert torch.equal(model.get_parameter(name), fmt.contract(factors).to(dtype))


def test_tied_weights_are_one_weight():
    model = student(0)
    model.blocks.append(nn.Linear(12, 16))
    model.blocks[2].weight = model.blocks[0].weight
    plan = tnt.plan(model, "all-linear", cores=3)
    assert [n for n in plan if "blocks" in n] == ["blocks.0.weight", "blocks.1.weight"]
    optimizer = tnt.overparameterize(torch.optim.SGD(model.parameters(), lr=0.1), model, plan)
    train(model, optimizer, range(2))
    assert model.blocks[2].weight is model.blocks[0].weight


def test_frozen_weights_are_left_out_and_the_table_says_so():
    model = student(0)
    model.head.weight.requires_grad_(False)
    plan = tnt.plan(model, "all-linear", cores=3)
    assert "head.weight" not in plan
    assert "skipped: frozen" in str(plan)


def test_a_plan_needs_no_memory():
    with torch.device("meta"):
        big = nn.Linear(768, 3072)
    assert tnt.plan(big, cores=5)["weight"].num_params == 7_667_712


@pytest.mark.parametrize("align", [False, True])
def test_state_dict_round_trip_is_bit_identical(align):
    teacher = student(5)
    alignment = tnt.Alignment(teacher, weight=2.0, every=4) if align else None
    whole, half = student(0), student(0)
    one, two = wrapped(whole, alignment=alignment), wrapped(half, alignment=alignment)
    train(whole, one, range(11))
    train(half, two, range(6))
    file = io.BytesIO()
    torch.save({"model": half.state_dict(), "optimizer": two.state_dict()}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    resumed = student(3)
    resumed.load_state_dict(saved["model"])
    three = wrapped(resumed, alignment=alignment, lr=0.5)
    three.load_state_dict(saved["optimizer"])
    assert three.param_groups[0]["lr"] == 1e-2
    train(resumed, three, range(6, 11))
    for (name, p), q in zip(resumed.named_parameters(), whole.parameters(), strict=True):
        assert torch.equal(p, q), name


def test_state_of_a_mixed_gauge_is_plain_data():
    file = io.BytesIO()
    torch.save(wrapped(student(0), gauge=tn.Mixed(1)).state_dict(), file)
    file.seek(0)
    wrapped(student(0), gauge=tn.Mixed(1)).load_state_dict(torch.load(file, weights_only=True))


def test_state_dict_round_trip_straight_after_construction():
    model, twin = student(0), student(0)
    one, two = wrapped(model), wrapped(twin)
    two.load_state_dict(two.state_dict())
    train(model, one, range(3))
    train(twin, two, range(3))
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), twin.parameters(), strict=True))


def test_state_dict_has_the_learning_rate_a_scheduler_just_set():
    """Schedulers step after the optimiser; a checkpoint made then resumes at the new rate."""
    model = student(0)
    optimizer = wrapped(model)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    train(model, optimizer, range(1))
    scheduler.step()
    assert optimizer.state_dict()["param_groups"][0]["lr"] == 5e-3


def test_rotations_are_recomputed_on_their_schedule():
    model = student(0)
    optimizer = wrapped(model, alignment=tnt.Alignment(student(1), weight=1.0, every=3))
    seen = []
    for step in range(6):
        train(model, optimizer, range(step, step + 1))
        seen.append(optimizer.state_dict()["alignment"]["targets"]["head.weight"][0].clone())
    assert [torch.equal(a, b) for a, b in itertools.pairwise(seen)] == [True, True, False, True, True]


def test_add_param_group_trains_outside_the_plan():
    model, extra = student(0), nn.Parameter(torch.ones(3))
    optimizer = wrapped(model)
    optimizer.add_param_group({"params": [extra], "lr": 0.5})
    extra.grad = torch.ones(3)
    train_once(model, optimizer)
    assert not torch.equal(extra, torch.ones(3))


def train_once(model, optimizer):
    loss_of(model, 0).backward()
    optimizer.step()


def test_zero_and_rank_deficient_weights_train():
    model = student(0)
    with torch.no_grad():
        model.head.weight.zero_()
        model.blocks[0].weight[:] = model.blocks[0].weight[:1]
    optimizer = wrapped(model, lr=1e-3)
    first = loss_of(model, 0).item()
    for _ in range(100):
        train(model, optimizer, range(1))
    assert loss_of(model, 0).item() < first - 0.1
    assert torch.linalg.matrix_rank(model.head.weight) == 6
    assert torch.linalg.matrix_rank(model.blocks[0].weight) == 12


# ---- mistakes, each with its message --------------------------------------------------------------------------------


def test_an_overwritten_weight_is_refused_and_resync_takes_it():
    model = student(0)
    optimizer = wrapped(model)
    train(model, optimizer, range(1))
    model.head.weight.data[-1, -1] += 1e-3  # .data escapes autograd's version counter
    with pytest.raises(tn.TensorNetError, match=r"somebody else wrote head.weight since the last step"):
        train_once(model, optimizer)
    with torch.no_grad():
        model.head.weight.fill_(0.25)
    optimizer.resync()
    assert torch.allclose(model.head.weight, torch.tensor(0.25), rtol=1e-5)
    held = {id(p) for p in model.parameters()}
    assert all(id(p) in held for p in optimizer.inner.state)  # the moments of the old factors are gone
    train(model, optimizer, range(2))


@pytest.mark.parametrize(
    "change", [lambda w: w.flip(0), lambda w: w.flip(1), lambda w: w[torch.randperm(len(w))], swapped]
)
def test_the_same_entries_in_other_places_are_an_overwrite(change):
    model = student(0)
    optimizer = wrapped(model)
    model.head.weight.data.copy_(change(model.head.weight.detach().clone()))
    with pytest.raises(tn.TensorNetError, match=r"somebody else wrote head.weight"):
        train_once(model, optimizer)


def test_after_a_resync_the_teacher_is_rotated_anew():
    teacher = student(5)
    model, twin = student(0), student(0)
    optimizer = wrapped(model, alignment=tnt.Alignment(teacher, weight=1.0))
    train(model, optimizer, range(5))
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.05 * torch.randn_like(p))
    twin.load_state_dict(model.state_dict())
    fresh = wrapped(twin, alignment=tnt.Alignment(teacher, weight=1.0))
    optimizer.resync()
    train(model, optimizer, range(1))
    train(twin, fresh, range(1))
    assert torch.allclose(optimizer.alignment_loss, fresh.alignment_loss, rtol=1e-5)


def test_counters_that_an_optimizer_keeps_in_its_groups_go_on():
    class Counting(torch.optim.SGD):
        """As schedule-free optimisers do: the step number lives in the group."""

        @torch.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                group["k"] = group.get("k", 0) + 1
            super().step(closure)

    model = student(0)
    optimizer = tnt.overparameterize(Counting(model.parameters(), lr=0.1), model, tnt.plan(model, cores=3))
    train(model, optimizer, range(5))
    assert optimizer.inner.param_groups[0]["k"] == 5
    assert optimizer.param_groups[0]["k"] == 5


def test_state_of_unplanned_parameters_is_kept():
    model = student(0)
    inner = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for p in (model.head.bias, model.norm.bias):
        p.grad = torch.ones_like(p)
    inner.step()
    optimizer = tnt.overparameterize(inner, model, tnt.plan(model, cores=3))
    assert optimizer.inner.state[model.head.bias]["step"] == 1


def test_losses_of_each_weight_are_those_of_the_last_step():
    model, teacher = student(0), student(1)
    optimizer = wrapped(model, alignment=tnt.Alignment(teacher))
    train(model, optimizer, range(2))
    assert len(optimizer.alignment_losses) > 1
    model.blocks[0].weight.requires_grad_(False)
    train(model, optimizer, range(2, 3))
    assert "blocks.0.weight" not in optimizer.alignment_losses
    torch.testing.assert_close(sum(optimizer.alignment_losses.values()), optimizer.alignment_loss)


def test_alignment_with_an_optimiser_that_maximises():
    model = student(0)
    inner, plan = torch.optim.Adam(model.parameters(), maximize=True), tnt.plan(model, cores=CORES)
    with pytest.raises(tn.TensorNetError, match="maximize=True, needed one that minimises, because it would drive"):
        tnt.overparameterize(inner, model, plan, alignment=tnt.Alignment(student(1)))
    tnt.overparameterize(inner, model, plan)


def test_a_state_keeps_its_learning_rate_when_it_has_been_loaded():
    made = [wrapped(student(0), lr=torch.tensor(1e-3)) for _ in range(2)]
    state = made[0].state_dict()
    made[1].load_state_dict(state)
    made[1].param_groups[0]["lr"].mul_(0.1)
    assert float(state["param_groups"][0]["lr"]) == float(made[0].param_groups[0]["lr"]) == float(torch.tensor(1e-3))


def test_a_weight_frozen_later_stays_even_under_alignment():
    model = student(0)
    optimizer = wrapped(model, alignment=tnt.Alignment(student(1), weight=10.0))
    train(model, optimizer, range(1))
    before = model.head.weight.detach().clone()
    model.head.weight.requires_grad_(False)
    train(model, optimizer, range(3))
    assert torch.equal(model.head.weight, before)


def test_factors_are_copies():
    model = student(0)
    optimizer = wrapped(model)
    for f in optimizer.factors("head.weight"):
        f.mul_(2)
    fmt = optimizer.plan["head.weight"]
    assert torch.equal(model.head.weight, fmt.contract(optimizer.factors("head.weight")))


def test_layers_are_counted_over_the_whole_student():
    """A student planned in part: layer 0 of 2 goes to layer 2 of 6."""

    def stack(depth):
        torch.manual_seed(depth)
        return nn.Sequential(nn.Linear(12, 12), nn.Sequential(*(nn.Linear(12, 12) for _ in range(depth))))

    model = stack(2)
    plan = tnt.plan(model, ["1.0.weight"], cores=3)
    inner = torch.optim.SGD(model.parameters(), lr=0.1)
    optimizer = tnt.overparameterize(inner, model, plan, alignment=tnt.Alignment(stack(6)))
    assert optimizer.plan.teachers == {"1.0.weight": "1.2.weight"}


def test_computed_weights_are_left_out():
    model = nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(12, 12)), nn.Linear(12, 6))
    assert list(tnt.plan(model, cores=3)) == ["1.weight"]
    assert "0.parametrizations.weight.original" in tnt.plan(model, cores=3).skipped


def test_the_table_lists_matrices_that_are_no_linear_weight():
    attention = nn.TransformerEncoderLayer(16, 4, 32)
    skipped = tnt.plan(attention, cores=3).skipped
    assert skipped["self_attn.in_proj_weight"] == "not the weight of an nn.Linear"


def test_the_same_bits_written_back_are_no_overwrite():
    model = student(0)
    optimizer = wrapped(model)
    train(model, optimizer, range(1))
    model.load_state_dict({n: t.clone() for n, t in model.state_dict().items()})
    train(model, optimizer, range(1))


def test_optimizer_that_lost_the_parameter():
    model = student(0)
    inner = torch.optim.AdamW(model.parameters())
    model.head = nn.Linear(12, 6)
    with pytest.raises(tn.TensorNetError, match=r"the optimiser does not hold head.weight"):
        tnt.overparameterize(inner, model, tnt.plan(model, cores=3))


def test_plan_of_another_model():
    model = student(0)
    plan = tnt.plan(nn.Sequential(nn.Linear(12, 6)), cores=3)
    with pytest.raises(tn.TensorNetError, match=r"the model has no parameter 0.weight"):
        tnt.overparameterize(torch.optim.AdamW(model.parameters()), model, plan)


def test_optimizer_that_has_stepped():
    model = student(0)
    inner = torch.optim.AdamW(model.parameters())
    train_once(model, inner)
    with pytest.raises(tn.TensorNetError, match=r"has stepped on blocks.0.weight already"):
        tnt.overparameterize(inner, model, tnt.plan(model, cores=3))


def test_scheduler_made_too_early():
    model = student(0)
    inner = torch.optim.AdamW(model.parameters())
    torch.optim.lr_scheduler.StepLR(inner, 3)
    with pytest.raises(tn.TensorNetError, match=r"make the scheduler after overparameterize"):
        tnt.overparameterize(inner, model, tnt.plan(model, cores=3))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weight_with_nan_or_inf(bad):
    model = student(0)
    with torch.no_grad():
        model.head.weight[0, 0] = bad
    with pytest.raises(tn.TensorNetError, match=r"head.weight: MPO: the weight .* has 1 NaN or Inf"):
        wrapped(model)


def test_sparse_gradient():
    model = nn.Embedding(12, 8, sparse=True)
    optimizer = tnt.overparameterize(
        torch.optim.SGD(model.parameters(), lr=0.1), model, tnt.plan(model, ["weight"], cores=2)
    )
    model(torch.tensor([1, 2])).sum().backward()
    with pytest.raises(tn.TensorNetError, match=r"weight has a sparse gradient"):
        optimizer.step()


def test_rule_that_matches_nothing():
    with pytest.raises(tn.TensorNetError, match=r"'.*attention.*' matches no weight"):
        tnt.plan(student(0), r".*attention.*", cores=3)


def test_weight_under_two_rules():
    with pytest.raises(tn.TensorNetError, match=r"blocks.0.weight is claimed by"):
        tnt.plan(student(0), ["blocks.0.weight", "0.weight"], cores=3)


def test_unplanned_factors():
    with pytest.raises(tn.TensorNetError, match=r"'norm.weight' is not planned"):
        wrapped(student(0)).factors("norm.weight")


def test_foreign_state():
    model = student(0)
    optimizer = wrapped(model)
    with pytest.raises(tn.TensorNetError, match=r"this state has no factors"):
        optimizer.load_state_dict(torch.optim.AdamW(student(1).parameters()).state_dict())
    other = student(0)
    with pytest.raises(tn.TensorNetError, match=r"blocks.0.weight is MPO.* in the state"):
        optimizer.load_state_dict(wrapped(other, ["head.weight"]).state_dict())
    with pytest.raises(tn.TensorNetError, match=r"the state has factors of blocks.0.weight"):
        wrapped(student(0), ["head.weight"]).load_state_dict(optimizer.state_dict())
    with pytest.raises(tn.TensorNetError, match=r"this optimiser is without alignment, the state was saved with"):
        optimizer.load_state_dict(wrapped(student(0), alignment=tnt.Alignment(other)).state_dict())


def test_pairs_of_unequal_shapes():
    model, teacher = student(0), student(1)
    teacher.head = nn.Linear(24, 6)
    with pytest.raises(
        tn.TensorNetError, match=r"head.weight \(6, 12\) is paired with the teacher's head.weight \(6, 24\)"
    ):
        wrapped(model, alignment=tnt.Alignment(teacher))


def test_teacher_of_no_known_kind():
    with pytest.raises(tn.TensorNetError, match=r"teacher is a str, needed an nn.Module or a mapping"):
        wrapped(student(0), alignment=tnt.Alignment("bert-base"))


def test_optimizer_that_keeps_its_own_references():
    class Hoarder(torch.optim.SGD):
        def __init__(self, params, lr):
            super().__init__(params, lr)
            self.kept = [p for g in self.param_groups for p in g["params"]]

        def step(self, closure=None):
            with torch.no_grad():
                for p in self.kept:
                    p -= 0.1

    model = student(0)
    optimizer = tnt.overparameterize(Hoarder(model.parameters(), lr=0.1), model, tnt.plan(model, cores=3))
    with pytest.raises(tn.TensorNetError, match=r"Hoarder stepped on dense weights"):
        train_once(model, optimizer)


def test_optimizer_for_matrices_only():
    def muon(**options):
        model = nn.Linear(16, 12, bias=False)
        inner = torch.optim.Muon(model.parameters(), lr=0.1)
        return model, tnt.overparameterize(inner, model, tnt.plan(model, **options))

    model, optimizer = muon(cores=3)
    model(torch.randn(3, 16)).sum().backward()
    with pytest.raises(tn.TensorNetError, match=r"Muon cannot step on these factors .* format='low_rank'"):
        optimizer.step()
    model, optimizer = muon(format="low_rank")
    before = model.weight.detach().clone()
    model(torch.randn(3, 16)).sum().backward()
    optimizer.step()
    assert not torch.equal(model.weight, before)


def test_the_wrapped_optimizer_refuses_to_be_stepped_by_itself():
    model = student(0)
    inner = torch.optim.AdamW(model.parameters())
    tnt.overparameterize(inner, model, tnt.plan(model, cores=3))
    loss_of(model, 0).backward()
    with pytest.raises(tn.TensorNetError, match=r"the optimiser that was wrapped is stepped by itself"):
        inner.step()


def test_scheduler_made_on_the_wrapped_optimizer_later():
    model = student(0)
    inner = torch.optim.AdamW(model.parameters())
    optimizer = tnt.overparameterize(inner, model, tnt.plan(model, cores=3))
    torch.optim.lr_scheduler.StepLR(inner, 3)
    with pytest.raises(tn.TensorNetError, match=r"make the scheduler after overparameterize"):
        train_once(model, optimizer)


@pytest.mark.parametrize("copy", [copy.deepcopy, lambda optimizer: torch.save(optimizer, io.BytesIO())])
def test_an_optimizer_cannot_be_copied(copy):
    with pytest.raises(tn.TensorNetError, match=r"cannot be copied or pickled"):
        copy(wrapped(student(0)))


def test_state_of_another_gauge():
    state = wrapped(student(0), gauge="left").state_dict()
    with pytest.raises(tn.TensorNetError, match=r"saved with gauge='left', this optimiser has 'balanced'"):
        wrapped(student(0)).load_state_dict(state)


def test_arguments_of_the_wrong_kind():
    model = student(0)
    plan, inner = tnt.plan(model, cores=3), torch.optim.AdamW(model.parameters())
    with pytest.raises(tn.TensorNetError, match=r"got \(Student, AdamW, Plan\), needed a torch.optim.Optimizer"):
        tnt.overparameterize(model, inner, plan)
    with pytest.raises(tn.TensorNetError, match=r"a plan with at least one weight"):
        tnt.overparameterize(inner, model, tn.Plan({}))
    with pytest.raises(tn.TensorNetError, match=r"alignment is a Student, needed an Alignment"):
        tnt.overparameterize(inner, model, plan, alignment=model)
    with pytest.raises(tn.TensorNetError, match=r"got a OrderedDict, needed an nn.Module"):
        tnt.plan(model.state_dict())
