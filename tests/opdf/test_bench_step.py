"""What `opdf bench --parts step` times does what it says; its bounds are judged by the command alone."""

import io

import pytest
import torch
from rich.console import Console

import tensornet as tn
from opdf.bench import StepRow, step_table, steps
from opdf.bench._encoder import Distillation, floor, left_to_right
from opdf.bench._step import Size, rows

SMALL = Size(hidden=16, heads=2, layers=2, teacher_layers=3, batch=2, length=4)


def test_all_weights_of_the_layers_are_planned():
    plan = Distillation(SMALL, 5).plan()
    assert len(plan) == 12
    assert {f.shape for f in plan.values()} == {(16, 16), (64, 16), (16, 64)}


def test_the_papers_size_is_the_issues():
    with torch.device("meta"):
        plan = Distillation(Size(), 5).plan()
    assert len(plan) == 36
    assert {round(f.scale, 3) for f in plan.values()} == {3.25}
    assert {f.shape: round(f.flops / 1e9, 1) for f in plan.values()} == {
        (768, 768): 5.5,
        (3072, 768): 43.8,
        (768, 3072): 43.8,
    }


@pytest.mark.parametrize("modes", [((4, 1, 5), (2, 1, 3)), ((2, 3, 2), (3, 2, 4))])
def test_the_published_contraction_is_the_contraction(modes):
    fmt = tn.MPO(*modes)
    factors = [torch.randn(s, dtype=torch.float64) for s in fmt.shapes]
    torch.testing.assert_close(left_to_right(factors), fmt.contract(factors))


def test_ours_and_the_published_way_train_alike_and_otherwise_than_the_plain_step():
    made = Distillation(SMALL, 5)
    ways = [made.ours(), made.published(), made.plain()]
    losses = []
    for way in ways:
        way.optimizer.param_groups[0]["lr"] = 1e-2
        seen = []
        for _ in range(4):
            way.backward()
            way.backward()
            way.finish()
            seen.append(way.loss().item())
        losses.append(torch.tensor(seen))
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-3, atol=1e-7)
    assert not torch.allclose(losses[0], losses[2], rtol=1e-2)


def test_the_floor_is_the_products_of_every_weight(monkeypatch):
    """As many floating-point operations as the plan says."""
    plan, flops = Distillation(SMALL, 5).plan(), []
    run = floor(plan)
    multiply = torch.matmul

    def counted(a, b, out):
        flops.append(2 * out.numel() * a.shape[-1])
        return multiply(a, b, out=out)

    monkeypatch.setattr(torch, "matmul", counted)
    run()
    assert sum(flops) == sum(f.flops for f in plan.values())


def test_rows_of_a_run():
    found = list(steps(SMALL, rounds=1))
    assert [(r.what, r.micro_batches) for r in found] == [("step", 1), ("step", 8), ("default", 1), ("extra", 1)]
    assert all(
        r.ours > 0 and r.published > 0 for r in found if r.what != "extra"
    )  # what is added may drown in so small a step


def test_ratios_of_seconds():
    seconds = {
        "plain": 10.0,
        "ours": 14.0,
        "default": 16.0,
        "published": 20.0,
        "floor": 2.5,
        "plain micro": 9.0,
        "published micro": 18.0,
    }
    one, eight, default, extra = rows(SMALL, 2, seconds)
    assert (one.ours, one.published, one.least, one.holds) == (1.4, 2.0, 1.25, True)
    assert (eight.ours, eight.published) == (77 / 73, 146 / 73)
    assert (default.ours, default.published, default.least, default.holds) == (1.6, 2.0, 1.25, False)
    assert (extra.ours, extra.published, extra.holds) == (1.6, 4.0, False)


def test_a_lost_bound_shows():
    found = [StepRow("step", SMALL, 2, 8, ours, 3.0, 1.0, 1.1) for ours in (1.05, 1.15)]
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(step_table(found))
    text = console.export_text()
    assert text.count("yes") == 1
    assert text.count(" no ") == 1
