"""suggest_lr is what the paper's three points say, and no more."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch_adapter.students import student

import tensornet as tn
import tensornet_torch as tnt
from tensornet_torch._learning_rate import BEST, total_scale


def model_of_scale(scale):
    """A model whose planned weight triples it, with as many parameters outside the plan as bring it to `scale`."""
    with torch.device("meta"):
        model = nn.Module()
        model.linear = nn.Linear(64, 64, bias=False)
        plan = tnt.plan(model, cores=3)
        rest = round((plan.num_params - 64 * 64) / (scale - 1)) - 64 * 64
        model.rest = nn.Parameter(torch.empty(rest))
    return plan, model


@pytest.mark.parametrize(("scale", "best"), BEST)
def test_the_line_meets_the_papers_points(scale, best):
    """Relative to one another: the paper does not say what was best without factors."""
    (first, anchor), *_ = BEST
    got = tnt.suggest_lr(1.0, *model_of_scale(scale)) / tnt.suggest_lr(1.0, *model_of_scale(first))
    assert got == pytest.approx(best / anchor, rel=0.25)


def test_the_slope_is_that_of_least_squares():
    slope = np.polyfit(*np.log(np.array(BEST)).T, 1)[0]
    assert tnt.suggest_lr(2e-5, *model_of_scale(1.5)) == pytest.approx(2e-5 * 1.5**slope, rel=1e-3)
    assert round(slope, 1) == -3.2
    residuals = [lr / math.exp(np.polyval(np.polyfit(*np.log(np.array(BEST)).T, 1), math.log(s))) for s, lr in BEST]
    assert all(1 / 1.15 < r < 1.15 for r in residuals)


def test_it_falls_and_stays_where_nothing_was_published():
    found = [tnt.suggest_lr(3e-5, *model_of_scale(s)) for s in (1.01, 1.2, 1.4, 1.6, 2.0, 2.9)]
    assert found[0] > found[1] > found[2] > found[3]
    assert found[3] == pytest.approx(found[4], rel=1e-2)
    assert found[4] == found[5] == pytest.approx(3e-5 * 0.22, rel=0.02)


def test_the_scale_is_the_whole_models():
    """The paper's 6-layer BERT at L = 3 trains 162.5 M parameters for 67 M: 2.4, though each weight has 3.25 times its own."""
    with torch.device("meta"):
        model = nn.ModuleList([nn.Linear(768, 768) for _ in range(4)] + [nn.Linear(768, 3072), nn.Linear(3072, 768)])
        bert = nn.ModuleList([model, *(_copy() for _ in range(5)), nn.Embedding(31000, 768)])
    plan = tnt.plan(bert, cores=5)
    assert total_scale(plan, bert) == pytest.approx(2.43, abs=0.03)


def _copy():
    return nn.ModuleList([nn.Linear(768, 768) for _ in range(4)] + [nn.Linear(768, 3072), nn.Linear(3072, 768)])


@pytest.mark.parametrize("lr", [0, -1e-5, "1e-5", float("nan")])
def test_no_learning_rate(lr):
    model = student(0)
    with pytest.raises(tn.TensorNetError, match=r"needed a learning rate above 0, a plan and the nn.Module"):
        tnt.suggest_lr(lr, tnt.plan(model, cores=3), model)


def test_swapped_arguments():
    model = student(0)
    with pytest.raises(tn.TensorNetError, match=r"got \(1e-05, Student, Plan\)"):
        tnt.suggest_lr(1e-5, model, tnt.plan(model, cores=3))
