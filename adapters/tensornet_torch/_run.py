"""A training run out of the optimiser, for either framework to go on with, and into it."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

import tensornet as tn
from tensornet import TensorNetError
from tensornet.files import Run

from ._optimizer import Overparameterized

MOMENTS = {"mu": "exp_avg", "nu": "exp_avg_sq"}  # as a run calls them, and as torch.optim does


def to_run(optimizer: Overparameterized) -> Run:
    """What training goes on from: `to_run(optimizer).save(path)`.

    Copied are the factors, the dense parameters that the optimiser trains beside them, Adam's moments of both, and the scales
    of lr_transfer; not what it does not train (frozen weights, buffers), hyper-parameters, schedulers, and the rotations of
    an alignment.
    raises: TensorNetError for another inner optimiser than Adam or AdamW, which alone means the same to both frameworks
    """
    state = _state("to_run", optimizer)
    values = {
        name: tuple(x.detach().clone() for x in state["factors"].get(name, [parameter]))
        for name, parameter in _parameters(optimizer, state).items()
    }
    held = {name: [state["state"].get(part, {}) for part in _parts(optimizer.plan, name)] for name in values}
    steps = {int(slots["step"]) for each in held.values() for slots in each if slots}
    if len(steps) > 1:
        raise TensorNetError(
            f"to_run: some parameters have been updated {min(steps)} times and others {max(steps)}, needed one number, because "
            f"optax counts once for all; go on in PyTorch, or let all of them have gradients from the first step"
        )
    moments = {kind: {n: _moments(values[n], each, key) for n, each in held.items()} for kind, key in MOMENTS.items()}
    scales = {name: tuple(m.tolist()) for name, m in state.get("lr_transfer", {}).get("scales", {}).items()}
    return Run(dict(optimizer.plan.formats), values, moments if steps else {}, max(steps, default=0), scales)


@torch.no_grad()
def from_run(run: Run, optimizer: Overparameterized) -> None:
    """Let `optimizer`, and with it its model, go on from `run`, in place; an alignment is rotated anew at the
    next step, and its weight is that of the step, where it is a schedule.

    run  `Run.load(path, framework="torch")`, under the names of the model: `run.renamed({…})`
    raises: TensorNetError if weights, formats or shapes of the two differ, or the inner optimiser is not Adam or AdamW
    """
    state = _state("from_run", optimizer)
    parameters = _parameters(optimizer, state)
    shapes = {n: [tuple(x.shape) for x in state["factors"].get(n, [p])] for n, p in parameters.items()}
    run.check(optimizer.plan, shapes, scaled="lr_transfer" in state)
    state["factors"] = {name: run.values[name] for name in optimizer.plan}
    state["state"] = {
        part: {"step": torch.tensor(float(run.step))} | {key: run.moments[m][name][k] for m, key in MOMENTS.items()}
        for name in (parameters if run.moments else ())
        for k, part in enumerate(_parts(optimizer.plan, name))
    }
    state["slots"] = {part: sorted(state["state"].get(part, ())) for part in state["slots"]}
    if "alignment" in state:
        state["alignment"] = {"steps": run.step, "stale": True, "targets": {}}
    if "lr_transfer" in state:
        scales = {name: torch.tensor(run.scales[name], dtype=torch.float64) for name in optimizer.plan}
        state["lr_transfer"] |= {"steps": run.step, "scales": scales}
    for name, parameter in parameters.items():
        if name not in optimizer.plan:
            parameter.copy_(run.values[name][0])
    optimizer.load_state_dict(state)


def _state(who: str, optimizer: Any) -> dict[str, Any]:
    inner = optimizer.inner if isinstance(optimizer, Overparameterized) else None
    if inner is not None and not isinstance(optimizer.plan, tn.Plan):
        raise TensorNetError(
            f"{who}: got an optimiser of a {type(optimizer.plan).__name__}, needed that of a Plan, because a run holds tensors "
            f"and no teacher; save state_dict(), or the model, which is the student at every step"
        )
    amsgrad = inner is not None and any(group.get("amsgrad") for group in inner.param_groups)
    if not isinstance(inner, torch.optim.Adam | torch.optim.AdamW) or amsgrad:
        raise TensorNetError(
            f"{who}: got a {type(optimizer).__name__} around {type(inner).__name__}{' with amsgrad' if amsgrad else ''}, "
            f"needed what overparameterize makes of an Adam or AdamW, because only their state means the same to both "
            f"frameworks; go on in PyTorch with state_dict(), or exchange factors with tensornet.save"
        )
    state: dict[str, Any] = optimizer.state_dict()
    if elsewhere := [name for name in optimizer.plan if name not in state["factors"]]:
        raise TensorNetError(
            f"{who}: other processes own the factors of {', '.join(elsewhere)}, needed all, because a run is whole; make it "
            f"in one process, of a state that torch.distributed.checkpoint saved"
        )
    return state


def _parameters(optimizer: Overparameterized, state: Mapping[str, Any]) -> dict[str, Tensor]:
    """All that is trained, by the names in `state`."""
    groups = zip(optimizer.param_groups, state["param_groups"], strict=True)
    return {name: p for ours, named in groups for name, p in zip(named["params"], ours["params"], strict=True)}


def _parts(plan: tn.Plan, name: str) -> list[str]:
    """What a parameter and its parts are called in the state of the inner optimiser."""
    return [f"{name}.{k}" for k in range(len(plan[name].shapes))] if name in plan else [name]


def _moments(values: tuple[Tensor, ...], slots: list[Mapping[str, Tensor]], key: str) -> tuple[Tensor, ...]:
    """Zeros where there never was a gradient."""
    return tuple(s[key].clone() if s else torch.zeros_like(v) for v, s in zip(values, slots, strict=True))
