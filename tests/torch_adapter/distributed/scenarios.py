"""What two processes do; the tests look at what they return."""

import copy
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import get_model_state_dict, set_model_state_dict
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel
from torch_adapter.students import CORES, Student, batch, student

import tensornet as tn
import tensornet_torch as tnt
import tensornet_torch.distributed

STEPS = 20
adamw = partial(torch.optim.AdamW, lr=1e-2, weight_decay=0.1)
sgd = partial(torch.optim.SGD, lr=0.1, momentum=0.9)


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: range) -> None:
    """Every process has its share of each batch."""
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    for step in steps:
        x, y = (part[rank::world] for part in batch(step, torch.float64))
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()


def wrapped(model: Student, make: Any = adamw, teacher: nn.Module | None = None, **options: Any) -> Any:
    alignment = tnt.Alignment(teacher or student(1, torch.float64), weight=0.3, every=3)
    plan = tnt.plan(model, cores=CORES)
    return tnt.overparameterize(make(model.parameters()), model, plan, alignment=alignment, **options)


def sharded(model: Student) -> Student:
    for layer in (*model.blocks, model.head):
        fully_shard(layer)
    return fully_shard(model)


def whole(model: nn.Module) -> dict[str, Tensor]:
    return {
        n: p.detach().full_tensor() if hasattr(p, "full_tensor") else p.detach() for n, p in model.named_parameters()
    }


def seen(model: nn.Module, optimizer: Any) -> dict[str, Any]:
    """Weights at the end, and what this process holds."""
    state = sum(t.numel() for s in optimizer.inner.state.values() for t in s.values() if isinstance(t, Tensor))
    return {
        "weights": whole(model),
        "alignment": optimizer.alignment_loss,
        "norm": optimizer.factor_norm,
        "mine": [n for n, owner in optimizer.owners.items() if owner == dist.get_rank()],
        "state": state,
    }


def _ddp(make: Any = adamw, **options: Any) -> dict[str, Any]:
    model = student(0, torch.float64)
    parallel = DistributedDataParallel(model)
    optimizer = wrapped(model, make, **options)
    train(parallel, optimizer, range(STEPS))
    return seen(model, optimizer)


def _fsdp(make: Any = adamw, **options: Any) -> dict[str, Any]:
    model = sharded(student(0, torch.float64))
    optimizer = wrapped(model, make, sharded(student(1, torch.float64)), **options)
    train(model, optimizer, range(STEPS))
    return seen(model, optimizer)


def ddp(folder: Path) -> dict[str, Any]:
    return _ddp(group=dist.group.WORLD)


def ddp_without_owners(folder: Path) -> dict[str, Any]:
    return _ddp()


def ddp_low_memory(folder: Path) -> dict[str, Any]:
    return _ddp(group=dist.group.WORLD, low_memory=True, guard="versions")


def ddp_clipped(folder: Path) -> dict[str, Any]:
    return _ddp(sgd, group=dist.group.WORLD, max_factor_norm=0.1)


def fsdp(folder: Path) -> dict[str, Any]:
    return _fsdp()


def fsdp_low_memory(folder: Path) -> dict[str, Any]:
    return _fsdp(low_memory=True)


def fsdp_foreach(folder: Path) -> dict[str, Any]:
    return _fsdp(partial(adamw, foreach=True))


def fsdp_clipped(folder: Path) -> dict[str, Any]:
    return _fsdp(sgd, max_factor_norm=0.1)


def fsdp_transfer(folder: Path) -> dict[str, Any]:
    return _fsdp(lr_transfer=True)


def saved_by_two(folder: Path) -> None:
    model = sharded(student(0, torch.float64))
    optimizer = wrapped(model, lr_transfer=True)
    train(model, optimizer, range(10))
    dcp.save({"model": get_model_state_dict(model), "optimizer": optimizer.state_dict()}, checkpoint_id=folder / "two")


def loaded_by_two(folder: Path) -> dict[str, Any]:
    model = sharded(student(5, torch.float64))
    optimizer = wrapped(model, lr_transfer=True)
    resume(model, optimizer, folder / "one")
    train(model, optimizer, range(10, STEPS))
    return seen(model, optimizer)


def resume(model: nn.Module, optimizer: Any, folder: Path) -> None:
    state = {"model": get_model_state_dict(model)}
    dcp.load(state, checkpoint_id=folder)
    set_model_state_dict(model, state["model"])
    tensornet_torch.distributed.load(optimizer, folder)


def filled_without_slots(folder: Path) -> str:
    model = sharded(student(5, torch.float64))
    optimizer = wrapped(model)
    state = {"optimizer": optimizer.state_dict()}
    dcp.load(state, checkpoint_id=folder / "two")
    return error_of(lambda: optimizer.load_state_dict(state["optimizer"]))


def errors(folder: Path) -> dict[str, str]:
    found = {}
    model = student(0, torch.float64)
    optimizer = wrapped(model, group=dist.group.WORLD)
    theirs = next(n for n, owner in optimizer.owners.items() if owner != dist.get_rank())
    found["factors of another"] = error_of(lambda: optimizer.factors(theirs))
    if dist.get_rank() == 1:
        with torch.no_grad():
            model.blocks[0].weight.add_(1)
    found["overwritten on one"] = error_of(optimizer.step)
    if dist.get_rank() == 1:
        with torch.no_grad():
            model.blocks[0].weight.sub_(1)
    optimizer.resync()
    if dist.get_rank() == 0:
        model.blocks[0].weight.grad = torch.zeros(16, 12, dtype=torch.float64)
    found["gradient on one"] = error_of(optimizer.step)
    model.blocks[0].weight.grad = None
    lbfgs = {"group": dist.group.WORLD, "lr_transfer": False}
    found["LBFGS"] = error_of(lambda: wrapped(student(0), torch.optim.LBFGS, **lbfgs))
    broken = student(0, torch.float64)
    with torch.no_grad():
        broken.head.weight[0, 0] = float("nan")
    found["NaN"] = error_of(lambda: wrapped(broken, group=dist.group.WORLD))
    return found


def failed_step(folder: Path) -> dict[str, Any]:
    """Process 0 fails between its gradients and its weights; both stop there, refuse to go on, and begin anew together."""
    model = student(0, torch.float64)
    parallel = DistributedDataParallel(model)
    optimizer = wrapped(model, group=dist.group.WORLD)
    train(parallel, optimizer, range(5))
    state, before = copy.deepcopy(optimizer.state_dict()), {n: p.clone() for n, p in model.named_parameters()}

    def fail(*_: Any) -> None:
        raise RuntimeError("out of memory")

    handles = [optimizer.inner.register_step_pre_hook(fail)] if dist.get_rank() == 0 else []
    first = error_of(lambda: train(parallel, optimizer, range(5, 6)))
    for handle in handles:
        handle.remove()
    second = error_of(optimizer.step)
    with torch.no_grad():  # what is outside the plan was stepped on the process that did not fail
        for name, p in model.named_parameters():
            p.copy_(before[name])
    optimizer.load_state_dict(state)
    train(parallel, optimizer, range(5, STEPS))
    return {"first": first, "second": second, **seen(model, optimizer)}


def owns_nothing(folder: Path) -> dict[str, Any]:
    """One weight, two processes: saved, and loaded by both."""
    kept = {}
    for name in ("whole", "first", "second"):
        model = sharded(student(0, torch.float64))
        plan = tnt.plan(model, ["head.weight"], cores=CORES)
        alignment = tnt.Alignment(student(1, torch.float64), weight=0.3, every=3)
        optimizer = tnt.overparameterize(adamw(model.parameters()), model, plan, alignment=alignment)
        if name == "second":
            resume(model, optimizer, folder / "one weight")
            optimizer.load_state_dict(optimizer.state_dict())
        train(model, optimizer, range(10, STEPS) if name == "second" else range(STEPS if name == "whole" else 10))
        if name == "first":
            state = {"model": get_model_state_dict(model), "optimizer": optimizer.state_dict()}
            dcp.save(state, checkpoint_id=folder / "one weight")
        kept[name] = {"weights": whole(model), "steps": optimizer.state_dict()["alignment"]["steps"]}
    return kept


def after_evaluation(folder: Path) -> dict[str, Any]:
    """A forward without a backward leaves the root's parameters whole."""
    model = sharded(student(0, torch.float64))
    optimizer = wrapped(model)
    train(model, optimizer, range(3))
    x, _ = batch(99, torch.float64)

    def evaluated() -> Tensor:
        with torch.no_grad():
            return model(x)

    weights = {n: p.detach().clone() for n, p in model.named_parameters()}
    state, expected = copy.deepcopy(optimizer.state_dict()), evaluated()
    names = list(optimizer.state_dict()["state"]) == list(state["state"])
    train(model, optimizer, range(3, 5))
    moved = evaluated() - expected
    optimizer.load_state_dict(state)  # writes the planned weights; the others are the model's
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(weights[name])
    return {"same names": names, "moved": moved.abs().max(), "back": (evaluated() - expected).abs().max()}


def settings_differ(folder: Path) -> dict[str, str]:
    names, found = ["head.weight", "blocks.0.weight"], {}
    rank = dist.get_rank()
    for what, mine in {"order": {"rules": names[:: 1 - 2 * rank]}, "cores": {"cores": 3 + rank}}.items():
        model = student(0, torch.float64)
        plan = tnt.plan(model, **{"rules": names, "cores": 3, **mine})
        found[what] = error_of(
            lambda m=model, p=plan: tnt.overparameterize(adamw(m.parameters()), m, p, group=dist.group.WORLD)
        )
    model = student(0, torch.float64)
    alignment = tnt.Alignment(student(1, torch.float64)) if rank else None
    inner, plan = adamw(model.parameters()), tnt.plan(model, names, cores=3)
    found["alignment"] = error_of(
        lambda: tnt.overparameterize(inner, model, plan, alignment=alignment, group=dist.group.WORLD)
    )
    return found


def channels_last(folder: Path) -> dict[str, Tensor]:
    torch.manual_seed(0)
    model = nn.Conv2d(4, 6, 3, dtype=torch.float64).to(memory_format=torch.channels_last)
    plan = tnt.plan(model, ["weight"], format="conv_mpo")
    optimizer = tnt.overparameterize(sgd(model.parameters()), model, plan, group=dist.group.WORLD)
    model(torch.ones(1, 4, 5, 5, dtype=torch.float64)).square().sum().backward()
    optimizer.step()
    return {"weight": model.weight.detach().contiguous()}


def versions(folder: Path) -> dict[str, str]:
    """Writes to a sharded weight that its version counters see."""
    model = sharded(student(0, torch.float64))
    optimizer = wrapped(model, guard="versions")
    train(model, optimizer, range(1))
    found = {"ours": error_of(lambda: train(model, optimizer, range(1, 2)))}
    with torch.no_grad():
        model.head.weight.add_(1)
    found["DTensor"] = error_of(optimizer.step)
    optimizer.resync()
    with torch.no_grad():
        model.head.weight.to_local().add_(1)
    found["shard"] = error_of(optimizer.step)
    return found


def refused_loads(folder: Path) -> dict[str, Any]:
    """The part of one process, and the whole state of one, into a group."""
    found = {}
    rank = dist.get_rank()
    alone = wrapped(student(0, torch.float64))
    x, y = batch(0, torch.float64)
    nn.functional.cross_entropy(alone._model(x), y).backward()
    alone.step()
    for name, make in (("group", DistributedDataParallel), ("shards", sharded)):
        model = student(0, torch.float64)
        parallel = make(model)
        optimizer = wrapped(model, **({"group": dist.group.WORLD} if name == "group" else {}))
        train(parallel, optimizer, range(2))
        if name == "group":
            states = [None, None]
            dist.all_gather_object(states, optimizer.state_dict())
            before = [f.detach().clone() for f in optimizer.held().values()]
            train(parallel, optimizer, range(2, 3))
            now = [f.detach().clone() for f in optimizer.held().values()]
            found["part"] = error_of(lambda o=optimizer, s=states[0]: o.load_state_dict(s))
            found["kept"] = all(map(torch.equal, now, optimizer.held().values())) and not all(
                map(torch.equal, now, before)
            )
        found[f"whole into {name}"] = error_of(lambda o=optimizer: o.load_state_dict(alone.state_dict()))
    return {**found, "rank": rank}


def names_inside(folder: Path) -> list[str]:
    model = DistributedDataParallel(student(0, torch.float64))
    teacher = DistributedDataParallel(student(1, torch.float64))
    return list(wrapped(model, teacher=teacher).plan.teachers)


def messages(folder: Path) -> dict[str, int]:
    """Bytes that this process sends in one step under each wrapper."""
    sent = {}
    for name, make in (("ddp", DistributedDataParallel), ("fsdp", sharded)):
        model = student(0, torch.float64)
        parallel = make(model)
        optimizer = wrapped(model, **({"group": dist.group.WORLD} if name == "ddp" else {}))
        train(parallel, optimizer, range(1))
        exchange, total = optimizer._exchange, []
        deliver = exchange._deliver
        exchange._deliver = lambda ms, d=deliver, t=total: (
            t.extend(m[1].nbytes for m in ms if m[0] is dist.isend),
            d(ms),
        )
        train(parallel, optimizer, range(1, 2))
        sent[name] = sum(total)
    return sent


def error_of(work: Any) -> str:
    try:
        work()
    except (tn.TensorNetError, RuntimeError) as error:
        return f"{type(error).__name__}: {error}"
    return "no error"


ALL = (
    ddp,
    ddp_without_owners,
    ddp_low_memory,
    ddp_clipped,
    fsdp,
    fsdp_low_memory,
    fsdp_foreach,
    fsdp_clipped,
    fsdp_transfer,
    saved_by_two,
    loaded_by_two,
    filled_without_slots,
    errors,
    failed_step,
    owns_nothing,
    after_evaluation,
    settings_differ,
    channels_last,
    versions,
    refused_loads,
    names_inside,
    messages,
)
