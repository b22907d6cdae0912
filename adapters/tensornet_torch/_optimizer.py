"""The optimiser that a training loop sees: dense parameters outside, factors inside."""

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

import tensornet as tn
from tensornet import TensorNetError

from ._alignment import Aligner, total
from ._guards import Guard, Proof
from ._handover import carry, forget_empty, hand_over, planned_parameters, refuse_direct, refuse_scheduled
from ._portions import check_norm, check_portions, only, refuse_hooks
from ._saved import check_saved
from ._weight import Weight, factors_of


def overparameterize(
    optimizer: Optimizer,
    model: nn.Module,
    plan: tn.Plan,
    *,
    alignment: tn.Alignment | None = None,
    gauge: str | tn.Mixed = "balanced",
    max_factor_norm: float | None = None,
    low_memory: bool = False,
    guard: str = "values",
) -> "Overparameterized":
    """Train the planned weights of `model` through their factors, with the user's own optimiser.

    optimizer  any torch.optim.Optimizer over the model's dense parameters, not yet stepped; it becomes the inner one and
               refuses to be stepped by itself
    model      stays as it is: same modules, same parameters, same state_dict keys, before, during and after
    plan       from `plan(model, …)`
    alignment  adds the gradient of the tensor alignment loss to each step
    gauge      of the first decomposition; "balanced" is the paper's
    max_factor_norm  clips the gradients of all factors of all weights, taken as one vector, to this norm before the inner
               step, as clip_grad_norm_ does in explicit training of the factors
    low_memory steps one weight after another, so that the gradients of the factors of one weight are alive at a time, and
               keeps no products of the contraction from a step to the next; costs a share of the contraction
    guard      "values" reads each weight at every step, to notice whoever else writes it, and so waits for the device;
               "versions" asks autograd's version counters: costs nothing, misses writes through .data or a NumPy view

    Weight decay, momentum and the learning rate act on the factors, as in explicit training of them. Gradient clipping
    before the step acts on the dense gradient. Make LR schedulers on the optimiser that is returned.

    raises: TensorNetError if the optimiser does not hold a planned parameter, has stepped already or carries a scheduler,
    or if a weight has NaN or Inf
    """
    return Overparameterized(
        optimizer,
        model,
        plan,
        alignment=alignment,
        gauge=gauge,
        max_factor_norm=max_factor_norm,
        low_memory=low_memory,
        guard=guard,
    )


class Overparameterized(Optimizer):
    """A torch.optim.Optimizer whose `param_groups` hold the dense parameters; see `overparameterize`.

    plan            the plan, with its teacher weights if there is alignment
    alignment_loss  Σ_pairs L_Aux of the last step, not multiplied by its weight λ; NaN before the first step
    factor_norm     norm of all factors' gradients at the last step, before clipping; NaN unless max_factor_norm is given
    """

    _built = False
    _proven = False
    _stepping = False

    def __init__(
        self,
        inner: Optimizer,
        model: nn.Module,
        plan: tn.Plan,
        *,
        alignment: tn.Alignment | None,
        gauge: str | tn.Mixed,
        max_factor_norm: float | None,
        low_memory: bool,
        guard: str,
    ) -> None:
        parameters = planned_parameters(inner, model, plan)
        check_norm(max_factor_norm)
        if low_memory:
            check_portions(inner, max_factor_norm)
        self.plan, self.inner, self.gauge = plan, inner, gauge
        self.max_factor_norm, self.low_memory = max_factor_norm, low_memory
        self._weights = {n: Weight.decomposed(n, plan[n], p, gauge) for n, p in parameters.items()}
        self._aligner = None
        if alignment is not None:
            self._aligner = Aligner(alignment, plan, self._weights, gauge)
            self.plan = self._aligner.plan
        self._guard = Guard(self._weights.values(), guard)
        super().__init__([dict(g) for g in inner.param_groups], dict(inner.defaults))
        hand_over(inner, self._weights.values())
        inner.register_step_pre_hook(self._refuse_direct_step)
        inner.zero_grad = self.zero_grad  # type: ignore[method-assign]  # its own would leave the planned weights out
        self.state = inner.state
        self._built = True
        self.alignment_loss, self.factor_norm = torch.tensor(float("nan")), torch.tensor(float("nan"))
        self._write()

    # ---- what a training loop calls ---------------------------------------------------------------------------------

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """dL/dW → dL/dT_k, one step of the inner optimiser on the factors, W ← contract(T)."""
        self._guard.refuse_changed()
        carry(self, self.inner)
        if self._aligner:
            self._aligner.begin_step()
        loss = self._step_by_weight(closure) if self.low_memory else self._step_at_once(closure)
        carry(self.inner, self)
        return loss

    def factors(self, name: str) -> tuple[Tensor, ...]:
        """Copies of the factors of the weight called `name`, (*shape) for each of `plan[name].shapes`."""
        if name not in self._weights:
            raise TensorNetError(
                f"factors: {name!r} is not planned; the plan has {', '.join(self._weights)}; ask for one of those"
            )
        return tuple(f.detach().clone() for f in self._weights[name].factors)

    @torch.no_grad()
    def resync(self) -> None:
        """Take the weights as the model has them now: decompose anew, and forget the inner state of their factors."""
        for w in self._weights.values():
            for factor, fresh in zip(w.factors, factors_of(w.name, w.format, w.parameter, self.gauge), strict=True):
                factor.copy_(fresh)
                self.inner.state.pop(factor, None)
        if self._aligner:
            self._aligner.restart()
        self._write()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Train more dense parameters, outside the plan."""
        super().add_param_group(param_group)
        if self._built:
            self.inner.add_param_group(dict(self.param_groups[-1]))

    # ---- saving -----------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values: the inner optimiser's state, the factors, and the alignment targets."""
        carry(self, self.inner)  # a scheduler may have moved the learning rate since the last step
        forget_empty(self.inner, self._weights.values())
        state = self.inner.state_dict()
        state["factors"] = {n: [f.detach() for f in w.factors] for n, w in self._weights.items()}
        state["formats"] = {n: w.format.to_dict() for n, w in self._weights.items()}
        state["gauge"] = str(self.gauge)
        if self._aligner:
            state["alignment"] = self._aligner.state()
        return state

    @torch.no_grad()
    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from `state_dict()`: factors, inner state and hyper-parameters; the model's weights are written anew."""
        check_saved(state_dict, self._weights, gauge=str(self.gauge), aligner=self._aligner)
        self.inner.load_state_dict({k: state_dict[k] for k in ("state", "param_groups")})
        self.state = self.inner.state
        for name, factors in state_dict["factors"].items():
            for mine, saved in zip(self._weights[name].factors, factors, strict=True):
                mine.copy_(saved)
        if self._aligner:
            self._aligner.load(state_dict["alignment"])
        carry(self.inner, self)
        self._write()

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        """Refuse copy.deepcopy and pickle: a copy would train parameters that no model has."""
        raise TensorNetError(
            "overparameterize: this optimiser cannot be copied or pickled, because it writes to the parameters of one model; "
            "save state_dict(), or make a new one for the copied model and load_state_dict() into it"
        )

    # ---- one step ---------------------------------------------------------------------------------------------------

    def _step_at_once(self, closure: Callable[[], Any] | None) -> Any:
        if closure is None:
            self._pull()
        proof = None if self._proven else Proof(self._weights.values(), self._guard)
        try:
            loss = self._step_inner(None if closure is None else self._on_factors(closure))
            self._proven = self._proven or (proof is not None and proof.found(self.inner))
            for weight in self._weights.values():
                weight.clear()
            self._write()
        except BaseException:
            self._restore()
            raise
        return loss

    @torch.no_grad()
    def _step_by_weight(self, closure: Callable[[], Any] | None) -> Any:
        """The same, but that no more than one weight's gradients are alive; the parameters outside the plan go first."""
        with torch.enable_grad():
            loss = None if closure is None else closure()
        weights = [w for w in self._weights.values() if w.has_gradient or self._aligner]
        planned = {id(f) for w in self._weights.values() for f in w.factors}
        losses = []
        refuse_hooks(self.inner, ours=1)
        try:
            with only(self.inner, lambda p: id(p) not in planned):
                self._step_inner(None)
            for weight in weights:
                losses.append(self._step_one(weight))
        except BaseException:
            self._restore()
            raise
        self._guard.note()
        if self._aligner:
            self.alignment_loss = total(losses)
        return self._with_alignment(loss)

    @torch.no_grad()
    def _restore(self) -> None:
        """After a step that failed half-way: W ← contract(T) as the factors are now, so that training can go on from there."""
        self._pullbacks.clear()
        try:
            for weight in self._weights.values():
                weight.clear()
                weight.write(keep=False)
        finally:
            self._guard.note()

    def _step_one(self, weight: Weight) -> Tensor:
        own = {id(f) for f in weight.factors}
        weight.pull(None)
        loss = self._aligner.add_gradients([weight.name]) if self._aligner else torch.zeros(())
        with only(self.inner, lambda p: id(p) in own):
            self._step_inner(None)
        weight.clear()
        weight.write(keep=False)
        return loss

    def _step_inner(self, closure: Callable[[], Any] | None) -> Any:
        refuse_scheduled(self.inner)
        self._stepping = True
        try:
            return self.inner.step() if closure is None else self.inner.step(closure)
        except ValueError as error:
            if closure is not None or isinstance(error, TensorNetError):
                raise
            raise TensorNetError(  # Muon says so when it meets what is no matrix
                f"overparameterize: {type(self.inner).__name__} cannot step on these factors ({error}); it needs parameters of "
                f"other shapes than the factors of an MPO, which have four axes; plan format='low_rank', whose factors are "
                f"matrices, or use another optimiser"
            ) from error
        finally:
            self._stepping = False

    def _on_factors(self, closure: Callable[[], Any]) -> Callable[[], Any]:
        """A closure evaluates the model several times in a step (LBFGS): each time at the factors of that moment.

        Its loss gets λ·L_Aux as its gradient does, so that a line search sees one function.
        """

        def evaluate() -> Any:
            self._write(note=not self._proven)  # nobody else is there to write before the step ends
            with torch.enable_grad():
                loss = closure()
            self._pull()
            return self._with_alignment(loss)

        return evaluate

    def _with_alignment(self, loss: Any) -> Any:
        return loss + self._aligner.options.weight * self.alignment_loss if self._aligner and loss is not None else loss

    @torch.no_grad()
    def _pull(self) -> None:
        for name, weight in self._weights.items():
            weight.pull(self._pullbacks.pop(name, None))
        if self._aligner:
            self.alignment_loss = self._aligner.add_gradients(self._weights)
        if self.max_factor_norm is not None:
            factors = [f for w in self._weights.values() for f in w.factors]
            self.factor_norm = nn.utils.clip_grad_norm_(factors, self.max_factor_norm)

    @torch.no_grad()
    def _write(self, *, note: bool = True) -> None:
        """One contraction a step: the one that writes W serves the next pullback."""
        made = {name: weight.write(keep=not self.low_memory) for name, weight in self._weights.items()}
        self._pullbacks = {name: pullback for name, pullback in made.items() if pullback is not None}
        if note:
            self._guard.note()

    def _refuse_direct_step(self, *_: Any) -> None:
        if not self._stepping:
            refuse_direct()
