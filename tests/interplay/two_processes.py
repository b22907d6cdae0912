"""What two processes do with a Transformers encoder; tests/interplay/test_processes.py looks at what they return."""

import math
import os
from pathlib import Path
from typing import Any

import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from interplay.encoders import batch, classifier, weights, wrapped
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import get_model_state_dict, set_model_state_dict
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

import tensornet_torch as tnt
import tensornet_torch.distributed

STEPS = 20


def student(seed: int = 0) -> nn.Module:
    return classifier(seed, num_hidden_layers=6).double()


def optimizer_of(model: nn.Module, **options: Any) -> tnt.Overparameterized:
    teacher = classifier(1, num_hidden_layers=12).double()
    return wrapped(model, alignment=tnt.Alignment(teacher, pairs="uniform", weight=1e-2), **options)


def train(model: nn.Module, optimizer: Any, steps: range) -> None:
    """Every process has its share of the rows of each batch."""
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    for step in steps:
        optimizer.zero_grad()
        model(**{name: column[rank::world] for name, column in batch(step, 8).items()}).loss.backward()
        optimizer.step()


def sharded(model: nn.Module) -> nn.Module:
    for layer in model.bert.encoder.layer:
        fully_shard(layer)
    return fully_shard(model)


def seen(model: nn.Module, optimizer: tnt.Overparameterized) -> dict[str, Any]:
    """Weights, and entries of what this process alone holds of planned weights: factors, moments, alignment targets."""
    whole = {n: p.full_tensor() if hasattr(p, "full_tensor") else p for n, p in weights(model).items()}
    factors = [f for n, owner in optimizer.owners.items() if owner == dist.get_rank() for f in optimizer.factors(n)]
    held = {n: p for n, p in optimizer.held().items() if n.rpartition(".")[0] in optimizer.plan}
    moments = [t for p in held.values() for t in optimizer.inner.state[p].values()]
    targets = [t for ts in optimizer.state_dict()["alignment"]["targets"].values() for t in ts]
    entries = sum(math.prod(t.shape) for t in (*factors, *moments, *targets))
    return {"weights": whole, "entries": entries, "loss": optimizer.alignment_loss}


def ddp(folder: Path) -> dict[str, Any]:
    model = student()
    optimizer = optimizer_of(model, group=dist.group.WORLD)
    train(DistributedDataParallel(model), optimizer, range(STEPS))
    return seen(model, optimizer)


def fsdp(folder: Path) -> dict[str, Any]:
    """Saves half-way, goes on, and is started anew from what was saved."""
    model = sharded(student())
    optimizer = optimizer_of(model)
    train(model, optimizer, range(STEPS // 2))
    dcp.save({"model": get_model_state_dict(model), "optimizer": optimizer.state_dict()}, checkpoint_id=folder / "half")
    train(model, optimizer, range(STEPS // 2, STEPS))
    return seen(model, optimizer)


def fsdp_resumed(folder: Path) -> dict[str, Any]:
    model = sharded(student(7))
    optimizer = optimizer_of(model)
    resume(model, optimizer, folder / "half")
    return seen(model, optimizer)


def resume(model: nn.Module, optimizer: tnt.Overparameterized, folder: Path) -> None:
    state = {"model": get_model_state_dict(model)}
    dcp.load(state, checkpoint_id=folder)
    set_model_state_dict(model, state["model"])
    tensornet_torch.distributed.load(optimizer, folder)
    train(model, optimizer, range(STEPS // 2, STEPS))


def trainer(folder: Path) -> dict[str, Tensor]:
    """Hugging Face's Trainer makes a DistributedDataParallel of its own and saves from the first process."""
    from interplay.trainers import trainer as made

    rank = str(dist.get_rank())
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": str(dist.get_world_size())}
    os.environ |= {**place, "MASTER_ADDR": "localhost", "MASTER_PORT": "0"}  # asked for, not used: the group stands
    options = {"save_strategy": "steps", "save_steps": 3, "seed": 1, "ddp_backend": "gloo"}
    first, second = classifier(), classifier(5)
    trained = made(folder / "trainer", first, wrapped(first), **options)
    assert trained.args.world_size == dist.get_world_size()
    trained.train()
    again = made(folder / "again", second, wrapped(second, lr=0.5), **options)
    again.train(resume_from_checkpoint=str(folder / "trainer" / "checkpoint-3"))
    return {"first": weights(first), "second": weights(second)}


ALL = (ddp, fsdp, fsdp_resumed, trainer)
