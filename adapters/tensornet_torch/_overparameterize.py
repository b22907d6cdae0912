"""The one call: an optimiser, the model it trains and a plan make an optimiser that trains factors."""

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.optim import Optimizer

import tensornet as tn
from tensornet import TensorNetError

from ._exchange import Alone, Exchange, is_sharded
from ._handover import planned_parameters
from ._optimizer import Overparameterized
from ._portions import check_low_memory, check_norm, check_portions
from ._transfer import rule_of
from ._wrapped import inside

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


def overparameterize(
    optimizer: Optimizer,
    model: nn.Module,
    plan: tn.Coordinated[Any],
    *,
    alignment: tn.Alignment | None = None,
    gauge: str | tn.Mixed = "balanced",
    max_factor_norm: float | None = None,
    low_memory: bool = False,
    lr_transfer: bool | str = True,
    guard: str = "values",
    group: "ProcessGroup | None" = None,
) -> Overparameterized:
    """Train the planned weights of `model` through their factors, with the user's own optimiser.

    optimizer  any torch.optim.Optimizer over the model's dense parameters, not yet stepped; it becomes the inner one and
               refuses to be stepped by itself, or to have its groups written to
    model      stays as it is: same modules, same parameters, same state_dict keys, before, during and after
    plan       from `plan(model, …)`; for generated weights see `generate`. A format that holds a part of a weight only, as a
               low rank does, makes the model's weight that part at once
    alignment  adds the gradient of the tensor alignment loss to each step
    gauge      of the first decomposition; "balanced" is the paper's
    max_factor_norm  clips the gradients of all factors of all weights, taken as one vector, to this norm before the inner
               step, as clip_grad_norm_ does in explicit training of the factors
    low_memory steps one weight after another, so that the gradients of the factors of one weight are alive at a time, and
               keeps no products of the contraction from a step to the next; costs a share of the contraction
    lr_transfer  lets a step do for each planned weight what a dense step at the same learning rate and weight decay would,
               whatever its format: "sign" for Adam and other rules whose step has one length, "gradient" for SGD; True takes
               what belongs to the optimiser's class, "sign" where it is not known. False: plain steps, those of explicit
               training of the factors, as LBFGS needs, and what keeps copies of the parameters. See docs/learning-rate.md
               and `tensornet.step_scales`
    guard      "values" reads each weight at every step, to notice whoever else writes it, and so waits for the device;
               "versions" asks autograd's version counters: costs nothing, misses writes through .data or a NumPy view
    group      the processes that train this model together: the factors of each weight, their inner state, contraction and
               pullback then live on one of them. Gradients must be the same on all of them, as DDP leaves them. None: every
               process does all the work (right under DDP, costs more), or, where parameters are DTensors (FSDP2), the
               processes of their mesh

    Weight decay, momentum and the learning rate act on the factors, by lr_transfer so that W moves and decays as a dense weight
    does. Gradient clipping before the step acts on the dense gradient. Make LR schedulers on the optimiser that is returned.

    raises: TensorNetError if the optimiser does not hold a planned parameter, has stepped already or carries a scheduler,
    or if a weight has NaN or Inf
    """
    model = inside(model)
    parameters = planned_parameters(optimizer, model, plan)
    if (alignment or lr_transfer) and not isinstance(plan, tn.Plan):
        raise TensorNetError(
            f"overparameterize: got a {type(plan).__name__} with alignment= or lr_transfer=, needed a Plan for these, because "
            f"they are about tensors in which a weight is linear; pass lr_transfer=False and no alignment"
        )
    if alignment and any(group.get("maximize") for group in optimizer.param_groups):
        raise TensorNetError(
            "overparameterize: alignment= with an optimiser that has maximize=True, needed one that minimises, because it "
            "would drive the student away from its teacher; minimise the loss with its sign changed"
        )
    check_norm(max_factor_norm)
    if low_memory:
        check_low_memory(optimizer, max_factor_norm)
    rule = rule_of(optimizer, lr_transfer)
    return Overparameterized(
        optimizer,
        model,
        plan,
        _exchange(optimizer, parameters, plan, group),
        alignment=alignment,
        gauge=gauge,
        max_factor_norm=max_factor_norm,
        low_memory=low_memory,
        lr_transfer=rule,
        guard=guard,
    )


def _exchange(
    optimizer: Optimizer, parameters: dict[str, nn.Parameter], plan: tn.Coordinated[Any], group: Any
) -> Exchange:
    sharded: list[Any] = [p for p in parameters.values() if is_sharded(p)]
    meshes = {p.device_mesh for p in sharded}
    if group is None and not meshes:
        begun = torch.distributed.is_available() and torch.distributed.is_initialized()
        return Alone(parameters, torch.distributed.get_rank() if begun else 0)
    check_portions(optimizer, "group=")
    from .distributed._group import Group  # torch can be built without torch.distributed

    if group is None:
        mesh = meshes.pop()
        if meshes or mesh.ndim > 1:
            raise TensorNetError(
                f"overparameterize: the planned weights are on {len(meshes) + 1} meshes, of {mesh.ndim} axes, needed one of "
                f"one axis to know the processes by; pass group= with all of them, e.g. torch.distributed.group.WORLD"
            )
        group = mesh.get_group()
    return Group(parameters, plan, group)
