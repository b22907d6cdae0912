"""One step: dL/dW → dL/dT_k, the inner optimiser on the factors, W ← contract(T)."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from tensornet import TensorNetError

from ._alignment import Aligner, total
from ._exchange import Exchange
from ._guards import Guard, Proof
from ._handover import refuse_direct
from ._portions import only, refuse_hooks
from ._transfer import Transfer
from ._weight import Pullback, Weight, contracted_each


class Stepper:
    """The factors of this process in training.

    alignment_loss  Σ_pairs L_Aux of the last step, over all processes; NaN before the first
    factor_norm     norm of all factors' gradients at the last step, before clipping; NaN unless max_factor_norm is given
    """

    def __init__(
        self,
        inner: Optimizer,
        exchange: Exchange,
        weights: Mapping[str, Weight],
        aligner: Aligner | None,
        *,
        guard: str,
        max_factor_norm: float | None,
        low_memory: bool,
        lr_transfer: str | None,
    ) -> None:
        self.inner, self.exchange, self.weights, self.aligner = inner, exchange, weights, aligner
        self.guard = Guard(exchange, guard)
        self.max_factor_norm, self.low_memory = max_factor_norm, low_memory
        self.transfer = Transfer(lr_transfer, weights) if lr_transfer else None
        self.alignment_loss, self.factor_norm = torch.tensor(float("nan")), torch.tensor(float("nan"))
        self._pullbacks: dict[str, Pullback] = {}
        self._losses: list[Tensor] = []
        self._proven = self._stepping = self._failed = False
        self._dtype = torch.promote_types(next(iter(exchange.parameters.values())).dtype, torch.float32)
        inner.register_step_pre_hook(self._refuse_direct)

    def check(self) -> None:
        """Before a step: nobody else has written the weights, and the last step ended well."""
        (failed,) = self.exchange.answers([self._failed])
        if True in failed:
            raise TensorNetError(
                "overparameterize: an earlier step failed half-way on a process of the group; its factors and weights need not "
                "belong together any more; load_state_dict() or resync() on every process"
            )
        self.guard.refuse_changed()

    def step(self, closure: Callable[[], Any] | None) -> Any:
        loss, by_itself = None, self.low_memory or self.exchange.group is not None or self.transfer is not None
        if closure is not None and by_itself:  # such optimisers evaluate it once, first
            with torch.enable_grad():
                loss, closure = closure(), None
        having = self.exchange.with_gradient() if closure is None else []
        with self.recovering():
            if self.transfer:
                self.transfer.steps += 1
            if self.aligner:
                self.exchange.together(self.aligner.begin_step)
            if closure is not None:
                return self._evaluating(closure)
            if self.low_memory:
                self._by_weight(having)
            else:
                self._at_once(having)
        return self._with_alignment(loss)

    @torch.no_grad()
    def write(self, names: Sequence[str] | None = None, *, note: bool = True) -> None:
        """W ← contract(T). One contraction a step: the one that writes W serves the next pullback."""
        self.exchange.write(tuple(self.exchange.parameters) if names is None else names, self._made)
        if note:
            self.guard.note()
            self._failed = False

    def _made(self, names: Sequence[str]) -> Iterator[tuple[str, Tensor]]:
        contracted = self.transfer.contracted if self.transfer else contracted_each
        for weight, w, pullback in contracted([self.weights[n] for n in names], keep=not self.low_memory):
            if pullback is not None:
                self._pullbacks[weight.name] = pullback
            yield weight.name, w

    # ---- all weights at once ----------------------------------------------------------------------------------------

    @torch.no_grad()
    def _at_once(self, having: Sequence[str]) -> None:
        gradients = self.exchange.gradients(having)
        self.exchange.together(lambda: self._pull(gradients))
        self._over_all()
        proof = None if self._proven else Proof(self.weights.values(), self.guard)
        self.exchange.together(lambda: self._step_factors(self.weights.values()))
        self._finish(proof)

    @torch.no_grad()
    def _evaluating(self, closure: Callable[[], Any]) -> Any:
        """A closure evaluates the model several times in a step (LBFGS): each time at the factors of that moment.

        Its loss gets λ·L_Aux as its gradient does, so that a line search sees one function.
        """

        def evaluate() -> Any:
            self.write(note=not self._proven)  # nobody else is there to write before the step ends
            with torch.enable_grad():
                loss = closure()
            self._pull(self.exchange.gradients(self.exchange.with_gradient()))
            self._over_all()
            return self._with_alignment(loss)

        proof = None if self._proven else Proof(self.weights.values(), self.guard)
        loss = self._step_inner(evaluate)
        self._finish(proof)
        return loss

    def _finish(self, proof: Proof | None) -> None:
        self._proven = self._proven or (proof is not None and proof.found(self.inner))
        for weight in self.weights.values():
            weight.clear()
        self.write()

    @torch.no_grad()
    def _pull(self, gradients: dict[str, Tensor]) -> None:
        for name, weight in self.weights.items():
            self._pull_one(weight, gradients.pop(name, None), self._pullbacks.pop(name, None))
        self._losses = [self.aligner.add_gradients(self.weights)] if self.aligner else []

    @torch.no_grad()
    def _over_all(self) -> None:
        """What needs the gradients of all processes."""
        if self.aligner:
            self._note_alignment(self._losses)
        if self.max_factor_norm is not None:
            self._clip(self.max_factor_norm)

    def _clip(self, max_norm: float) -> None:
        """As nn.utils.clip_grad_norm_ of the factors of all processes."""
        factors = [f for w in self.weights.values() for f in w.factors]
        norm = nn.utils.get_total_norm([f.grad for f in factors if f.grad is not None]).to(self._dtype)
        self.factor_norm = torch.linalg.vector_norm(self.exchange.gathered(norm))
        nn.utils.clip_grads_with_norm_(factors, max_norm, self.factor_norm)

    # ---- one weight after another -----------------------------------------------------------------------------------

    @torch.no_grad()
    def _by_weight(self, having: Sequence[str]) -> None:
        """No more than one weight's gradients are alive; the parameters outside the plan go first."""
        refuse_hooks(self.inner, "low_memory=True", ours=1)
        moving = {*having, *(self.aligner.plan.teachers if self.aligner else ())}
        planned = {id(f) for w in self.weights.values() for f in w.factors}
        with only(self.inner, lambda p: id(p) not in planned):
            self.exchange.together(lambda: self._step_inner(None))
        losses: list[Tensor] = []
        for names in self.exchange.rounds:
            gradients = self.exchange.gradients([n for n in names if n in having])
            chosen = [n for n in names if n in moving]
            losses += self.exchange.together(partial(self._step_some, chosen, gradients))
            self.write(chosen, note=False)
        self.guard.note()
        if self.aligner:
            self._note_alignment(losses)

    def _step_some(self, names: Sequence[str], gradients: dict[str, Tensor]) -> list[Tensor]:
        return [self._step_one(self.weights[n], gradients.pop(n, None)) for n in names if n in self.weights]

    def _step_one(self, weight: Weight, gradient: Tensor | None) -> Tensor:
        own = {id(f) for f in weight.factors}
        self._pull_one(weight, gradient, None)
        loss = self.aligner.add_gradients([weight.name]) if self.aligner else torch.zeros(())
        with only(self.inner, lambda p: id(p) in own):
            self._step_factors([weight])
        weight.clear()
        return loss

    # ---- both -------------------------------------------------------------------------------------------------------

    def _pull_one(self, weight: Weight, gradient: Tensor | None, pullback: Pullback | None) -> None:
        weight.pull(gradient, pullback)
        if self.transfer:
            self.transfer.note(weight, gradient)

    def _step_factors(self, weights: Collection[Weight]) -> None:
        """The inner step, by which these weights' factors move as far as their scales say."""
        if not self.transfer:
            self._step_inner(None)
            return
        for weight in weights:
            self.transfer.lend(weight)
        self._step_inner(None)
        for weight in weights:
            self.transfer.take(weight)

    def _note_alignment(self, losses: Sequence[Tensor]) -> None:
        self.alignment_loss = self.exchange.gathered(total(losses).to(self._dtype)).sum(0)

    def _with_alignment(self, loss: Any) -> Any:
        return loss + self.aligner.weight * self.alignment_loss if self.aligner and loss is not None else loss

    def _step_inner(self, closure: Callable[[], Any] | None) -> Any:
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

    def _refuse_direct(self, *_: Any) -> None:
        if not self._stepping:
            refuse_direct()

    @contextmanager
    def recovering(self) -> Iterator[None]:
        """After a step that failed half-way: W ← contract(T) as the factors are now, so that training can go on from there.

        Not in a group, where that takes all processes: every one of them raises, and refuses to step until all begin anew.
        """
        counted = [held for held in (self.transfer, self.aligner) if held]
        steps = [held.steps for held in counted]
        try:
            yield
        except BaseException:
            self._pullbacks.clear()
            for weight in self.weights.values():
                weight.clear()
            for held, n in zip(counted, steps, strict=True):
                held.steps = n
            if self.transfer:
                self.transfer.undo()
            self._failed = not self.exchange.recovers
            if not self._failed:
                self._restore()
            raise

    @torch.no_grad()
    def _restore(self) -> None:
        try:
            self.exchange.write(
                tuple(self.weights), lambda names: ((n, self.weights[n].contracted(keep=False)[0]) for n in names)
            )
        finally:
            self.guard.note()
