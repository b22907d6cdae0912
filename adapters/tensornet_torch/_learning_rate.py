"""The one thing that the paper says about learning rates of plain factors: the best one falls as the scale rises."""

import math

from torch import nn

import tensornet as tn

# Fig. 2(b) of arXiv 2411.06448, read off the plot: DBKD on MRPC; parameters in training over those at inference → best
# learning rate. The paper prints no table, and the plot tries few rates, so that these are good to a factor of 1.5 or so.
BEST = ((1.2, 1e-5), (1.4, 5e-6), (1.6, 4e-6))


def suggest_lr(lr: float, plan: tn.Plan, model: nn.Module) -> float:
    """Where to begin the search for a learning rate of plain factors (lr_transfer=False), given that of the dense model.

        lr · s^−p  for the scale s = parameters in training / parameters at inference, at most 1.6

    With lr_transfer, the default of `overparameterize`, take the dense model's rate itself and not this one.

    p = 3.2 is the slope of a straight line through the logarithms of the three points of Fig. 2(b) of arXiv 2411.06448
    (DBKD, MRPC; s = 1.2, 1.4, 1.6), which it meets within 15 %. That is all there is: one task, one method, one layout. Beyond
    s = 1.6 nothing was published, and the value at 1.6, which is lr · 0.22, is returned; below s = 1, where the factors
    compress, lr itself. From s = 1 to 1.2 the line is extrapolated. The forerunner (OPF, ACL 2023) fine-tuned at s ≈ 3 with
    the usual 3e-5 and saw little difference from 1e-5 to 5e-5; so try the dense model's own rate as well.

    lr     the best learning rate of the same training without factors
    model  the model that the plan is of; s counts all its parameters, tied ones once, frozen ones too
    """
    if not (
        isinstance(lr, int | float) and 0 < lr < math.inf and isinstance(plan, tn.Plan) and isinstance(model, nn.Module)
    ):
        raise tn.TensorNetError(
            f"suggest_lr: got ({lr!r}, {type(plan).__name__}, {type(model).__name__}), needed a learning rate above 0, a plan "
            f"and the nn.Module it is of, in this order, because the scale counts the weights outside the plan too"
        )
    sizes = {n: p.numel() for n, p in model.named_parameters(remove_duplicate=False)}
    foreign = [n for n, f in plan.items() if sizes.get(n) != math.prod(f.shape) * plan.stacked.get(n, 1)]
    if foreign:
        raise tn.TensorNetError(
            f"suggest_lr: the model has no {', '.join(foreign)} of the plan's shape, needed the model that the plan is of, "
            f"because the scale counts its weights outside the plan too; pass that"
        )
    scale = total_scale(plan, model)
    return lr * max(1.0, min(scale, BEST[-1][0])) ** -_slope()


def total_scale(plan: tn.Plan, model: nn.Module) -> float:
    """Parameters of the whole model with factors in the place of planned weights, over its own."""
    dense = sum(p.numel() for p in model.parameters())
    planned = sum(math.prod(f.shape) * plan.stacked.get(n, 1) for n, f in plan.items())
    return (dense + plan.num_params - planned) / dense


def _slope() -> float:
    """p of  ln lr = c − p ln s,  by least squares over BEST."""
    x, y = ([math.log(point[k]) for point in BEST] for k in (0, 1))
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    return -sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / sum((a - mean_x) ** 2 for a in x)
