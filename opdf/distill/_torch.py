"""The engine in PyTorch: a host's terms, the user's dense gradients, AdamW with or without factors beside it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import tensornet as tn
import tensornet_torch as tnt
from tensornet import TensorNetError

from ..hosts._host import Batch, Host, seeded
from ..models.networks import outputs
from ..tasks import Examples, Task
from ..translation._network import TranslationNetwork
from ..translation._texts import texts
from ._cache import Taught
from ._config import Config, Opdf, Training, Translation
from ._engine import BETAS, EPS, Array, Engine
from ._generating import generators
from ._phases import begins, in_training, switch
from ._plan import pairs_of, plan_of
from ._planned import alignment_weight


@contextmanager
def in_float32() -> Iterator[None]:
    """Factors are contracted in float32, as in JAX, whatever `training.matmul` makes of the network's products: the student is
    what they contract to.
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


class TorchEngine(Engine):
    """A host's student on one device."""

    def __init__(self, config: Config, host: Host, examples: Examples, taught: Taught | None) -> None:
        self.training, self.host, self.examples, self.taught = config.training, host, examples, taught
        self.translation = config.translation
        host.smoothing = config.translation.smoothing if host.task.kind == "translation" else 0.0
        host.bfloat16 = config.training.precision == "bfloat16"
        self.device = torch.device(config.training.device)
        self.trained = _marked(host)
        inner = _adamw(self.trained, config.training)
        self.plan: tn.Plan | tn.Generators | None = None
        self.optimizer: torch.optim.Optimizer = inner
        if config.opdf.on:
            self.optimizer = self._over(inner, config.opdf)
        elif config.generator.on:
            self.optimizer = self._generated(inner, config)

    @in_float32()
    def _over(self, inner: torch.optim.Optimizer, opdf: Opdf) -> tnt.Overparameterized:
        plan = plan_of(self.host.student, opdf, self.host.teacher)
        alignment = None
        if opdf.alignment:
            weight = alignment_weight(opdf, self.host.steps)
            assert self.host.teacher is not None, "a run has a teacher always"
            pairs = pairs_of(self.host.student, opdf, self.host.teacher, plan)
            alignment = tnt.Alignment(self.host.teacher, pairs, weight, opdf.alignment_gauge, opdf.resync_every)
        made = tnt.overparameterize(
            inner, self.host.student, plan, alignment=alignment, gauge=opdf.gauge, lr_transfer=opdf.lr_transfer
        )
        self.plan = made.plan
        return made

    @in_float32()
    def _generated(self, inner: torch.optim.Optimizer, config: Config) -> tnt.Overparameterized:
        student, teacher = self.host.student, self.host.teacher
        assert teacher is not None, "a run has a teacher always"
        self.plan, self.switch = generators(student, teacher), switch(config.generator, self.host.steps)
        made = tnt.generate(inner, student, self.plan, teacher, **begins(config.generator, config.training.seed))
        self.host.begin()  # from the student that has been generated
        return made

    def _go_on_densely(self) -> None:
        """The second phase: the student is what the generators made of it, and nothing of it changes."""
        self.optimizer = _adamw(self.trained, self.training)

    # ---- training ---------------------------------------------------------------------------------------------------

    def step(self, rows: NDArray[np.int64], step: int, lr: float) -> dict[str, Any]:
        seeded(self.training.seed, step)
        if step == self.switch > 0:
            self._go_on_densely()
        self.host.student.train()
        batch = self._batch(rows)
        self.host.lr = lr
        said = self.host.before(batch, step)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.zero_grad()
        terms = self.host.terms(batch, step)
        loss = torch.stack(list(terms.values())).sum()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.trained.values(), self.training.max_grad_norm)
        with in_float32():
            self.optimizer.step()
        figures = {name: float(value.detach()) for name, value in terms.items()}
        record = {"loss": float(loss.detach()), "terms": figures, "grad_norm": float(norm)}
        if isinstance(self.optimizer, tnt.Overparameterized) and isinstance(self.plan, tn.Plan) and self.plan.teachers:
            record["alignment_loss"] = float(self.optimizer.alignment_loss)
        return record | said

    def _batch(self, rows: NDArray[np.int64]) -> Batch:
        inputs = self.examples.batch(rows)
        length = next(iter(inputs.values())).shape[1]
        taught = self.taught.batch(rows, length) if self.taught else {}
        labels = torch.from_numpy(self.examples.targets(rows))
        return Batch(tensors(inputs, self.device), labels.to(self.device), tensors(taught, self.device))

    def predict(self, examples: Examples) -> Array:
        return answered(self.host.student, examples, self.host.task, self.translation, self.device)

    @in_float32()
    def probe(self) -> dict[str, Any]:
        if not (isinstance(self.optimizer, tnt.Overparameterized) and isinstance(self.plan, tn.Plan)):
            return {}
        entropies = {}
        for name, fmt in self.plan.items():
            entropies[name] = [x.item() for x in tn.entropy(fmt, self.optimizer.factors(name)).values()]
        aligned = {name: float(loss) for name, loss in self.optimizer.alignment_losses.items()}
        return {"entropies": entropies} | ({"alignment": aligned} if aligned else {})

    # ---- saving -----------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        trained = {name: p.detach() for name, p in self.trained.items()}
        return arrays({"optimizer": self.optimizer.state_dict(), "trained": trained, "host": self.host.state()})

    @in_float32()
    @torch.no_grad()
    def load(self, state: Mapping[str, Any]) -> None:
        found = _from_arrays(state)
        for name, p in self.trained.items():
            p.copy_(found["trained"][name])
        self.host.load(found["host"])
        if self.switch and "formats" not in found["optimizer"]:
            self._go_on_densely()
        self.optimizer.load_state_dict(found["optimizer"])  # the planned weights are written anew from their factors

    def weights(self) -> dict[str, Array]:
        return arrays(dict(self.host.student.state_dict()))

    def restore(self, weights: Mapping[str, Array]) -> None:
        self.host.student.load_state_dict(_from_arrays(weights))

    def facts(self) -> dict[str, Any]:
        said: dict[str, Any] = in_training(self.plan, {name: p.numel() for name, p in self.trained.items()})
        if isinstance(self.optimizer, tnt.Overparameterized):
            said["fold_error"] = self._fold_error(self.optimizer)
        return said

    @in_float32()
    def _fold_error(self, optimizer: tnt.Overparameterized) -> float:
        """max over weights of ‖W − contract(T)‖/‖W‖, of the last step's factors."""
        weights = dict(self.host.student.named_parameters())
        errors = []
        for name, fmt in optimizer.plan.items():
            w = weights[name].detach()
            error = torch.linalg.norm(w - fmt.contract(optimizer.factors(name)))
            errors.append(float(error / torch.linalg.norm(w).clamp(min=torch.finfo(w.dtype).tiny)))  # a bias may be 0
        return max(errors)


# ---- functions ------------------------------------------------------------------------------------------------------


def answered(model: nn.Module, examples: Examples, task: Task, translation: Translation, device: torch.device) -> Array:
    """What scores judge of all examples, in their order: logits (n, classes), or translations as texts (n,).

    Texts of test are by beam search; others are only chosen on, and for that the quicker way will do.
    """
    if isinstance(model, TranslationNetwork):
        beam = translation.beam if examples is task.test else 1
        return texts(model, examples, task, beam, translation.length_penalty)
    return predicted(model, examples, device)


@torch.no_grad()
def predicted(model: nn.Module, examples: Examples, device: torch.device, batch: int = 64) -> Array:
    """Logits (n, classes) of all examples, in their order."""
    model.eval()
    batches, back = examples.batches(np.arange(len(examples)), batch)
    inputs = (tensors(examples.batch(rows), device) for rows in batches)
    found = [outputs(model, x, {"logits"})["logits"].float().cpu().numpy() for x in inputs]
    return np.concatenate(found)[back]


def tensors(found: Mapping[str, Array], device: torch.device) -> dict[str, Tensor]:
    return {name: torch.from_numpy(x).to(device) for name, x in found.items()}


def arrays(value: Any) -> Any:
    """The same with tensors as NumPy arrays."""
    if isinstance(value, Tensor):
        return value.detach().cpu().numpy().copy()
    if isinstance(value, Mapping):
        return {key: arrays(inner) for key, inner in value.items()}
    return type(value)(map(arrays, value)) if isinstance(value, list | tuple) else value


def _from_arrays(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value)
    if isinstance(value, Mapping):
        return {key: _from_arrays(inner) for key, inner in value.items()}
    return type(value)(map(_from_arrays, value)) if isinstance(value, list | tuple) else value


def _marked(host: Host) -> dict[str, nn.Parameter]:
    """What the host trains; what else the student has is frozen, so that plans and clipping leave it out."""
    trained = host.parameters()
    chosen = {id(p) for p in trained.values()}
    for p in host.student.parameters():
        p.requires_grad_(id(p) in chosen)
    if not trained:
        raise TensorNetError(
            f"opdf distill: the host {type(host).__name__} trains no parameter, needed one at least; look at what it freezes"
        )
    return trained


def _adamw(trained: Mapping[str, nn.Parameter], training: Training) -> torch.optim.AdamW:
    """Weight decay on matrices alone: biases and norms are left out, as is usual."""
    matrices = [p for p in trained.values() if p.ndim > 1]
    rest = [p for p in trained.values() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": training.weight_decay}, {"params": rest, "weight_decay": 0.0}]
    # fused: one pass over memory, a tenth of the time of ten passes
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=training.lr, betas=BETAS, eps=EPS, fused=True)
