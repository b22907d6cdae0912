"""Weight Distillation in PyTorch: the generators beside the optimiser, the student dense throughout."""

import copy
import io

import pytest
import torch
from generator.small import Small, batch, loss_of, said, train
from torch import nn
from transformers import GPT2Config, GPT2Model

import tensornet as tn
import tensornet_torch as tnt


def adamw(model):
    return torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)


def begun(student, teacher, *, inner=adamw, heads=None, **options):
    plan = tnt.generators(student, teacher, heads=heads)
    return tnt.generate(inner(student), student, plan, teacher, **options)


@pytest.fixture
def teacher():
    return Small(5, 12, seed=1)


def published():
    generator = torch.Generator().manual_seed(5)
    return {"start": "published", "normal": lambda shape: torch.randn(shape, generator=generator)}


# ---- the law that everything rests on -------------------------------------------------------------------------------


def test_a_step_is_explicit_training_of_the_generator(teacher):
    """Autograd through S = W ⊙ tanh(T ×₁ W_O ×₂ W_I ×₃ W_L) + B inside the forward, as the published code has it."""
    ours, theirs = (Small(2, 8).double() for _ in range(2))
    teacher = teacher.double()
    optimizer = begun(ours, teacher, **published())
    held = {n: [nn.Parameter(f) for f in optimizer.factors(n)] for n in optimizer.plan}
    explicit = torch.optim.AdamW([p for parts in held.values() for p in parts], lr=1e-2, weight_decay=0.1)
    stacks = {n: torch.stack(g.layers, -1) for n, g in optimizer.plan.items()}
    for step in range(4):
        weights = {n: generated(optimizer.plan[n].generator, stacks[n], parts) for n, parts in held.items()}
        ids = batch(step)
        logits = torch.func.functional_call(theirs, weights, ids)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), said(ids).flatten())
        explicit.zero_grad()
        loss.backward()
        explicit.step()
        assert train(ours, optimizer, range(step, step + 1))[0] == pytest.approx(loss.item(), rel=1e-9)
    for name, parts in held.items():
        for mine, other in zip(optimizer.factors(name), parts, strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-7, atol=1e-9)


def generated(generator, stack, parts):
    """By autograd, term by term."""
    *linear, scale, shift = parts
    before = "ab"[: len(generator.shape)]
    after, terms, operands = list(before), [before + "l"], [stack]
    for axis, a in zip(generator.mapped, linear, strict=False):
        after[axis] = "op"[axis]
        terms.append(before[axis] + after[axis])
        operands.append(a)
    if generator.depth > 1:
        terms += ["lm", "m"]
        operands += linear[-2:]
    return scale * torch.tanh(torch.einsum(f"{','.join(terms)}->{''.join(after)}", *operands)) + shift


def test_the_exported_student_is_the_generated_one(teacher):
    """To the last bit, after every step; and the file is that of a student that was never generated."""
    student = Small(2, 8)
    keys, parameters = list(student.state_dict()), list(map(id, student.parameters()))
    optimizer = begun(student, teacher)
    for step in range(3):
        train(student, optimizer, range(step, step + 1))
        for name, p in student.named_parameters():
            assert torch.equal(p, optimizer.plan[name].contract(optimizer.factors(name)))
    assert (list(student.state_dict()), list(map(id, student.parameters()))) == (keys, parameters)
    buffer = io.BytesIO()
    torch.save(student.state_dict(), buffer)
    buffer.seek(0)
    loaded = Small(2, 8, seed=9)
    loaded.load_state_dict(torch.load(buffer, weights_only=True), strict=True)
    assert torch.equal(loaded.eval()(batch(0)), student.eval()(batch(0)))


def test_the_teacher_is_a_constant(teacher):
    before = copy.deepcopy(teacher.state_dict())
    student = Small(2, 8)
    optimizer = begun(student, teacher)
    train(student, optimizer, range(3))
    assert all(torch.equal(a, b) for a, b in zip(before.values(), teacher.state_dict().values(), strict=True))
    assert all(p.grad is None for p in teacher.parameters())
    theirs = {p.untyped_storage().data_ptr() for p in teacher.parameters()}
    assert not any(t.untyped_storage().data_ptr() in theirs for t in optimizer.held().values())


# ---- starts ---------------------------------------------------------------------------------------------------------


def test_at_equal_shapes_the_student_starts_as_the_teacher(teacher):
    student = Small(5, 12)
    begun(student, teacher)
    for (name, p), t in zip(student.named_parameters(), teacher.parameters(), strict=True):
        torch.testing.assert_close(p, t, rtol=1e-6, atol=0, msg=name)


@pytest.mark.parametrize("start", [{}, published()], ids=["teacher", "published"])
def test_it_learns(teacher, start):
    student = Small(2, 8, bias=False)
    losses = train(
        student, begun(student, teacher if not start else Small(5, 12, bias=False, seed=1), **start), range(60)
    )
    assert sum(losses[-5:]) < 0.75 * sum(losses[:5])


def test_a_narrow_student_with_other_heads_is_made_of_whole_heads(teacher):
    """Two heads of 4 from three of 4: the attention scores of each are those of one of the teacher's, on its sub-network."""
    teacher = Small(2, 12, heads=3, seed=1)
    student = Small(2, 8, heads=2)
    begun(student, teacher, heads=(3, 2))
    stream = [0, 1, 2, 3, 4, 5, 6, 7]  # heads 0 and ⌊1·3/2⌋ = 1
    theirs = teacher.layers[0].self_attn.in_proj_weight
    ours = student.layers[0].self_attn.in_proj_weight
    for k in range(3):  # queries, keys, values
        torch.testing.assert_close(ours[8 * k : 8 * k + 8], theirs[12 * k : 12 * k + 8][:, stream])


# ---- models ---------------------------------------------------------------------------------------------------------


def test_tied_embeddings_are_one_weight(teacher):
    student, tied = Small(2, 8, tied=True), Small(3, 12, tied=True, seed=2)
    optimizer = begun(student, tied)
    assert "head.weight" not in optimizer.plan
    assert optimizer.plan["words.weight"].generator.mapped == (1,)
    train(student, optimizer, range(2))
    assert student.head.weight is student.words.weight
    begun(Small(2, 8), tied)  # untied from tied: each from the one weight, under either name


def test_frozen_weights_are_left_alone(teacher):
    student = Small(2, 8)
    student.words.weight.requires_grad_(False)
    before = student.words.weight.clone()
    optimizer = begun(student, teacher, inner=lambda m: torch.optim.SGD(m.parameters(), lr=0.1))
    train(student, optimizer, range(2))
    assert torch.equal(before, student.words.weight)
    assert "frozen" in str(tnt.generators(student, teacher))


def test_layers_that_are_frozen_are_counted(teacher):
    """So that the others keep theirs: l.1 of two comes from the last of five whether l.0 is trained or not."""
    student = Small(2, 8)
    before = tnt.generators(student, teacher)
    student.layers[0].requires_grad_(False)
    after = tnt.generators(student, teacher)
    assert {n: before[n] for n in after} == dict(after)
    assert {n.split(".")[1] for n in after if n.startswith("layers")} == {"1"}


def test_low_memory_is_the_same(teacher):
    found = []
    for low in (False, True):
        student = Small(2, 8)
        train(student, begun(student, teacher, low_memory=low), range(3))
        found.append(student)
    for a, b in zip(found[0].parameters(), found[1].parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)


def test_resync_takes_what_somebody_wrote(teacher):
    student = Small(2, 8)
    optimizer = begun(student, teacher)
    train(student, optimizer, range(2))
    with torch.no_grad():
        student.head.weight.add_(1.0)
    wanted = student.head.weight.clone()
    with pytest.raises(tn.TensorNetError, match=r"somebody else wrote head\.weight"):
        train(student, optimizer, range(2, 3))
    optimizer.resync()
    torch.testing.assert_close(student.head.weight, wanted)


# ---- phases and files -----------------------------------------------------------------------------------------------


def test_phase_two_is_going_on_without_it(teacher):
    student = Small(2, 8)
    optimizer = begun(student, teacher)
    train(student, optimizer, range(3))
    before = copy.deepcopy(student)
    del optimizer
    dense = adamw(student)
    assert all(torch.equal(a, b) for a, b in zip(before.parameters(), student.parameters(), strict=True))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in student.modules())
    theirs = train(before, adamw(before), range(3, 6))  # of a model that never had generators
    assert train(student, dense, range(3, 6)) == theirs


def test_resume_is_bit_for_bit(teacher):
    whole, half = Small(2, 8), Small(2, 8)
    losses = train(whole, begun(whole, teacher, **published()), range(6))
    first = begun(half, teacher, **published())
    train(half, first, range(3))
    buffer = io.BytesIO()
    torch.save({"model": half.state_dict(), "optimizer": first.state_dict()}, buffer)
    buffer.seek(0)
    saved = torch.load(buffer, weights_only=True)
    again = Small(2, 8, seed=7)
    again.load_state_dict(saved["model"])
    optimizer = begun(again, teacher)  # what is loaded is no start
    optimizer.load_state_dict(saved["optimizer"])
    assert train(again, optimizer, range(3, 6)) == losses[3:]
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), again.parameters(), strict=True))


def test_a_state_holds_a_digest_and_no_teacher(teacher):
    student = Small(2, 8)
    optimizer = begun(student, teacher)
    state = optimizer.state_dict()
    assert (
        sum(t.numel() for parts in state["factors"].values() for t in parts)
        == tnt.generators(student, teacher).num_params
    )
    theirs = {tuple(p.shape) for p in teacher.parameters()} - {
        tuple(s) for g in optimizer.plan.values() for s in g.shapes
    }
    held = [t for value in (state["factors"], state["state"]) for t in tensors(value)]
    assert not theirs & {tuple(t.shape) for t in held}
    other = Small(5, 12, seed=2)
    with pytest.raises(tn.TensorNetError, match=r"load_state_dict: words.weight is Generator.* over the teacher"):
        begun(Small(2, 8), other).load_state_dict(state)


def tensors(value):
    if isinstance(value, torch.Tensor):
        return [value]
    return [t for v in (value.values() if isinstance(value, dict) else value) for t in tensors(v)]


# ---- errors ---------------------------------------------------------------------------------------------------------


def test_errors(teacher):
    student = Small(2, 8)
    plan = tnt.generators(student, teacher)
    with pytest.raises(
        tn.TensorNetError, match=r"generators: got \(Small, dict\), needed two nn.Modules, .*; pass the models"
    ):
        tnt.generators(student, {})
    with pytest.raises(
        tn.TensorNetError, match=r"generate: got a Plan for a plan, needed tensornet.Generators.*; make them"
    ):
        tnt.generate(adamw(student), student, tnt.plan(student), teacher)
    with pytest.raises(
        tn.TensorNetError, match=r"the teacher has no .*, needed all weights of the plan.*; pass the teacher"
    ):
        tnt.generate(adamw(student), student, plan, Small(3, 12))
    with pytest.raises(
        tn.TensorNetError, match=r"got a Generation with alignment= or lr_transfer=, needed a Plan for these, .*; "
    ):
        tnt.overparameterize(adamw(student), student, plan.of(dict(teacher.named_parameters())), lr_transfer=True)
    with pytest.raises(
        tn.TensorNetError, match=r"to_run: got an optimiser of a Generation, needed that of a Plan.*; save"
    ):
        tnt.to_run(begun(student, teacher))
    teacher.words = nn.Embedding(12, 12)
    with pytest.raises(
        tn.TensorNetError, match=r"words.weight has 11 rows and the teacher's words.weight 12.*words, classes"
    ):
        tnt.generators(student, teacher)
    config = GPT2Config(n_embd=4, n_layer=1, n_head=2, vocab_size=5, n_positions=6)
    with pytest.raises(
        tn.TensorNetError, match=r"generators: h.0.attn.c_attn is a Conv1D .*needed weights \(out, in\)"
    ):
        tnt.generators(GPT2Model(config), GPT2Model(config))


def test_gradient_of_a_loss_is_what_a_user_reads(teacher):
    """p.grad is dL/dS after a step as before: nothing writes to it."""
    student = Small(2, 8)
    optimizer = begun(student, teacher, max_factor_norm=1e-3)
    loss_of(student, 0).backward()
    before = {n: p.grad.clone() for n, p in student.named_parameters()}
    optimizer.step()
    assert all(torch.equal(before[n], p.grad) for n, p in student.named_parameters())
