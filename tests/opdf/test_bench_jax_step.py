"""What `opdf bench --parts jax_step` times does what it says; its bounds are judged by the command alone."""

import io
import math

import jax
import numpy as np
import pytest
from rich.console import Console

from opdf.bench import JaxStepRow, jax_step_table, jax_steps
from opdf.bench._jax_encoder import Distillation, floor, logits
from opdf.bench._jax_step import rows
from opdf.bench._step import Size

SMALL = Size(hidden=16, heads=2, layers=1, teacher_layers=1, batch=2, length=4)


def test_all_weights_of_the_layers_are_planned():
    plan = Distillation(SMALL, 5).plan()
    assert len(plan) == 6
    assert {f.shape for f in plan.values()} == {(16, 16), (64, 16), (16, 64)}
    assert {round(f.scale, 3) for f in Distillation(Size(), 5).plan().values()} == {3.25}  # the paper's


def test_the_floor_is_the_products_of_every_weight(monkeypatch):
    """As many floating-point operations as the plan says."""
    plan, flops = Distillation(SMALL, 5).plan(), []
    multiply = jax.numpy.matmul

    def counted(a, b, precision):
        flops.append(2 * a.size * b.shape[-1])
        return multiply(a, b, precision=precision)

    monkeypatch.setattr(jax.numpy, "matmul", counted)
    with jax.disable_jit():
        floor(plan)()
    assert sum(flops) == sum(f.flops for f in plan.values())


def test_the_model_looks_at_every_weight():
    student, _ = Distillation(SMALL, 5).models()
    ids = np.arange(8).reshape(2, 4)
    slopes = jax.grad(lambda p: (logits(SMALL, p, ids) ** 2).sum())(student)
    names = [jax.tree_util.keystr(path) for path, g in jax.tree_util.tree_leaves_with_path(slopes) if not g.any()]
    assert names == ["['layers'][0]['key']['bias']"] or all(
        "key']['bias" in n for n in names
    )  # softmax does not see it


def test_rows_of_a_run(monkeypatch):
    monkeypatch.setattr("opdf.bench._jax_step.CORES", 2)  # compiles sooner
    found = list(jax_steps(SMALL, rounds=1, layers=1))
    assert [(r.what, r.micro_batches) for r in found] == [("step", 1), ("step", 8), ("extra", 1), ("compile", 1)]
    assert all(r.ratio > 0 for r in found if r.what != "extra")  # what is added may drown in so small a step
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(jax_step_table(found))
    assert "compiling a step of 6 weights" in console.export_text()


def test_ratios_of_seconds():
    one, eight, extra = rows(SMALL, {"plain": 10.0, "ours": 14.0, "floor": 2.5, "gradient": 9.0})
    assert (one.ratio, one.least, one.holds) == (1.4, 1.25, True)
    assert eight.ratio == 77 / 73
    assert (extra.ratio, extra.holds) == (1.6, False)


@pytest.mark.parametrize(("ratio", "said"), [(1.05, "yes"), (1.15, "no")])
def test_a_lost_bound_shows(ratio, said):
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(jax_step_table([JaxStepRow("step", SMALL, 2, 8, ratio, math.nan, 1.1)]))
    assert f" {said} " in console.export_text()
