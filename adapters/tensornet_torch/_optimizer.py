"""The optimiser that a training loop sees: dense parameters outside, factors inside."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

import tensornet as tn
from tensornet import TensorNetError

from ._alignment import Aligner
from ._weight import Weight, factors_of

_NOT_HYPER = ("params", "param_names")  # what a param group holds besides hyper-parameters


def overparameterize(
    optimizer: Optimizer,
    model: nn.Module,
    plan: tn.Plan,
    *,
    alignment: tn.Alignment | None = None,
    gauge: str = "balanced",
) -> "Overparameterized":
    """Train the planned weights of `model` through their factors, with the user's own optimiser.

    optimizer  any torch.optim.Optimizer over the model's dense parameters, not yet stepped; it becomes the inner one and
               is not to be used by itself any more
    model      stays as it is: same modules, same parameters, same state_dict keys, before, during and after
    plan       from `plan(model, …)`
    alignment  adds the gradient of the tensor alignment loss to each step
    gauge      of the first decomposition; "balanced" is the paper's

    Weight decay, momentum and the learning rate act on the factors, as in explicit training of them. Gradient clipping
    before the step acts on the dense gradient. Make LR schedulers on the optimiser that is returned.

    raises: TensorNetError if the optimiser does not hold a planned parameter, has stepped already or carries a scheduler,
    or if a weight has NaN or Inf
    """
    return Overparameterized(optimizer, model, plan, alignment=alignment, gauge=gauge)


class Overparameterized(Optimizer):
    """A torch.optim.Optimizer whose `param_groups` hold the dense parameters; see `overparameterize`."""

    _built = False
    _proven = False

    def __init__(
        self, inner: Optimizer, model: nn.Module, plan: tn.Plan, *, alignment: tn.Alignment | None, gauge: str
    ) -> None:
        parameters = _planned(inner, model, plan)
        self.plan, self.gauge = plan, gauge
        self._weights = {n: Weight.decomposed(n, plan[n], p, gauge) for n, p in parameters.items()}
        self._aligner = Aligner(alignment, plan, self._weights, gauge) if alignment else None
        if self._aligner:
            self.plan = self._aligner.plan
        super().__init__([dict(g) for g in inner.param_groups], dict(inner.defaults))
        self.inner = _handed_over(inner, self._weights.values())
        self.state = self.inner.state
        self._built = True
        self.alignment_loss = torch.zeros(())
        self._write()

    # ---- what a training loop calls ---------------------------------------------------------------------------------

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """dL/dW → dL/dT_k, one step of the inner optimiser on the factors, W ← contract(T)."""
        self._refuse_overwritten()
        self._read_through()
        if closure is None:
            self._pull()
            loss = self._step_inner()
        else:
            loss = self.inner.step(self._on_factors(closure))
        self._refuse_bypassed()
        for weight in self._weights.values():
            for factor in weight.factors:
                factor.grad = None
        self._write()
        return loss

    def factors(self, name: str) -> tuple[Tensor, ...]:
        """The factors of the weight called `name`, live."""
        if name not in self._weights:
            raise TensorNetError(
                f"factors: {name!r} is not planned; the plan has {', '.join(self._weights)}; ask for one of those"
            )
        return self._weights[name].factors

    @torch.no_grad()
    def resync(self) -> None:
        """Take the weights as the model has them now: decompose anew, and forget the inner state of their factors."""
        for w in self._weights.values():
            for factor, fresh in zip(w.factors, factors_of(w.name, w.format, w.parameter, self.gauge), strict=True):
                factor.copy_(fresh)
                self.inner.state.pop(factor, None)
        self._write()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Train more dense parameters, outside the plan."""
        super().add_param_group(param_group)
        if self._built:
            self.inner.add_param_group(dict(self.param_groups[-1]))

    # ---- saving -----------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values: the inner optimiser's state, the factors, and the alignment targets."""
        self._read_through()  # a scheduler may have moved the learning rate since the last step
        state = self.inner.state_dict()
        state["factors"] = {n: [f.detach() for f in w.factors] for n, w in self._weights.items()}
        state["formats"] = {n: w.format.to_dict() for n, w in self._weights.items()}
        if self._aligner:
            state["alignment"] = self._aligner.state()
        return state

    @torch.no_grad()
    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from `state_dict()`: factors, inner state and hyper-parameters; the model's weights are written anew."""
        _check_state(state_dict, self._weights, bool(self._aligner))
        self.inner.load_state_dict({k: state_dict[k] for k in ("state", "param_groups")})
        self.state = self.inner.state
        for name, factors in state_dict["factors"].items():
            for mine, saved in zip(self._weights[name].factors, factors, strict=True):
                mine.copy_(saved)
        if self._aligner:
            self._aligner.load(state_dict["alignment"])
        for outer, inner in zip(self.param_groups, self.inner.param_groups, strict=True):
            outer.update(_hyper(inner))
        self._write()

    # ---- one step ---------------------------------------------------------------------------------------------------

    def _step_inner(self) -> Any:
        try:
            return self.inner.step()
        except ValueError as error:  # Muon's way to say that it takes matrices only
            raise TensorNetError(
                f"overparameterize: {type(self.inner).__name__} cannot step on these factors ({error}); it needs parameters of "
                f"other shapes than the factors of an MPO, which have four axes; plan format='low_rank', whose factors are "
                f"matrices, or use another optimiser"
            ) from error

    def _on_factors(self, closure: Callable[[], Any]) -> Callable[[], Any]:
        """A closure evaluates the model several times in a step (LBFGS): each time at the factors of that moment."""

        def evaluate() -> Any:
            self._write()
            with torch.enable_grad():
                loss = closure()
            self._pull()
            return loss

        return evaluate

    @torch.no_grad()
    def _pull(self) -> None:
        for name, weight in self._weights.items():
            weight.pull(self._pullbacks[name])
        if self._aligner:
            self.alignment_loss = self._aligner.add_gradients()

    @torch.no_grad()
    def _write(self) -> None:
        """One contraction a step: the one that writes W serves the next pullback."""
        self._pullbacks = {name: weight.write() for name, weight in self._weights.items()}
        self._written = self._checksums()

    def _read_through(self) -> None:
        """Learning-rate schedulers and users write to our groups; the inner optimiser reads its own."""
        for outer, inner in zip(self.param_groups, self.inner.param_groups, strict=True):
            inner.update(_hyper(outer))

    def _checksums(self) -> Tensor:
        return torch.stack([w.checksum() for w in self._weights.values()])

    def _refuse_overwritten(self) -> None:
        changed = (self._checksums() != self._written).tolist()
        names = [n for n, c in zip(self._weights, changed, strict=True) if c]
        if names:
            raise TensorNetError(
                f"overparameterize: somebody else wrote {', '.join(names)} since the last step (a loaded checkpoint, an EMA "
                f"swap?); the next step would undo that, because the factors are the truth; put the old values back, or "
                f"call optimizer.resync() to decompose the new ones"
            )

    def _refuse_bypassed(self) -> None:
        """An inner optimiser that keeps parameters elsewhere than in its groups would train the dense weights."""
        if not self._proven and not torch.equal(self._checksums(), self._written):
            raise TensorNetError(
                f"overparameterize: {type(self.inner).__name__} stepped on dense weights instead of their factors; it must "
                f"read its parameters from param_groups at each step, because that is where the factors stand; use "
                f"another optimiser"
            )
        self._proven = True


def _planned(inner: Optimizer, model: nn.Module, plan: tn.Plan) -> dict[str, nn.Parameter]:
    """The planned parameters of `model`, all of which `inner` must hold and must not have stepped on."""
    if getattr(inner.step, "_wrapped_by_lr_sched", False):
        raise TensorNetError(
            "overparameterize: a learning-rate scheduler hangs on this optimiser already; it would miss the optimiser that "
            "is returned; make the scheduler after overparameterize, on its result"
        )
    named, held = dict(model.named_parameters()), {id(p) for g in inner.param_groups for p in g["params"]}
    for name in plan:
        if name not in named:
            raise TensorNetError(
                f"overparameterize: the model has no parameter {name}; plan and model must belong together; plan it anew"
            )
        if id(named[name]) not in held:
            raise TensorNetError(
                f"overparameterize: the optimiser does not hold {name}; it would never be trained, as happens when a model "
                f"is rebuilt or moved after its optimiser was made; make the optimiser from model.parameters() again"
            )
        if _has_stepped(inner.state.get(named[name], {})):
            raise TensorNetError(
                f"overparameterize: the optimiser has stepped on {name} already; its state is about the dense weight and "
                f"means nothing for factors; wrap a fresh optimiser"
            )
    return {name: named[name] for name in plan}


def _has_stepped(state: Mapping[str, Any]) -> bool:
    """Some optimisers (Adagrad) keep a state from the start, at step 0."""
    return bool(state) and float(state.get("step", 1)) > 0


def _handed_over(inner: Optimizer, weights: Iterable[Weight]) -> Optimizer:
    """The optimiser with the factors in the place of their dense parameter in its groups.

    In place, because some optimisers (LBFGS) keep a reference to the list.
    """
    of = {id(w.parameter): w for w in weights}
    for group in inner.param_groups:
        names = group.get("param_names")
        if names is not None:
            pairs = zip(names, group["params"], strict=True)
            group["param_names"] = [
                part
                for n, p in pairs
                for part in ([f"{n}.{k}" for k in range(len(of[id(p)].factors))] if id(p) in of else [n])
            ]
        group["params"][:] = [part for p in group["params"] for part in (of[id(p)].factors if id(p) in of else (p,))]
    if not inner.state:
        return inner
    fresh: Optimizer = type(inner)(inner.param_groups)  # type: ignore[call-arg]  # makes the initial state anew, now for the factors
    fresh.defaults = inner.defaults
    return fresh


def _hyper(group: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in group.items() if k not in _NOT_HYPER}


def _check_state(state: Mapping[str, Any], weights: Mapping[str, Weight], aligned: bool) -> None:
    if "factors" not in state:
        raise TensorNetError(
            "load_state_dict: this state has no factors; needed one from an over-parameterised optimiser; a plain "
            "optimiser's state is about dense weights; load the model's weights instead and start a new optimiser"
        )
    for name, w in weights.items():
        if state["formats"].get(name) != w.format.to_dict():
            raise TensorNetError(
                f"load_state_dict: {name} is {w.format} here and {state['formats'].get(name, 'absent')} in the state; both "
                f"must be the same plan; make the plan that the state was saved with"
            )
    extra = [n for n in state["formats"] if n not in weights]
    if extra:
        raise TensorNetError(
            f"load_state_dict: the state has factors of {', '.join(extra)}, which this plan does not; both must be the same "
            f"plan; make the plan that the state was saved with"
        )
    if aligned != ("alignment" in state):
        here, there = ("with", "without") if aligned else ("without", "with")
        raise TensorNetError(
            f"load_state_dict: this optimiser is {here} alignment, the state was saved {there}; make the optimiser as it was "
            f"made then"
        )
