"""A learning rate that transfers: each factor's step times its scale, and no step of W beyond a dense one's."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from tensornet import TensorNetError
from tensornet.transfer import (
    TRIES,
    Share,
    capped,
    check_rule,
    lengths,
    lent,
    moved,
    reach,
    share,
    slopes,
    step_scales,
    tried,
)

from ._exchange import is_sharded
from ._weight import Contracted, Pullback, Weight, full_precision

LINEAR = (torch.optim.SGD, torch.optim.ASGD)  # their step is the gradient's, or a running mean of it, times the rate


def rule_of(inner: Optimizer, lr_transfer: bool | str) -> str | None:
    """The rule that `inner` steps by: as the user says, or True: as its class is known to; None for no transfer."""
    if lr_transfer is False:
        return None
    linear = isinstance(inner, LINEAR)
    rule = lr_transfer if lr_transfer is not True else "gradient" if linear else "sign"
    check_rule("overparameterize: lr_transfer", rule)
    if isinstance(inner, torch.optim.LBFGS):
        raise TensorNetError(
            f"overparameterize: lr_transfer={lr_transfer!r} with {type(inner).__name__}, needed an optimiser that takes one "
            f"step at a time, because this one finds its own length and remembers the steps it meant; pass lr_transfer=False"
        )
    return rule


class Transfer:
    """The scales m_k of the weights of this process, and what a step is undone to.

    rule    "sign" or "gradient", see `tensornet.step_scales`
    steps   taken so far; after 1, 2, 4, 8 … of them the scales are measured anew, because they follow the norms of factors,
            which change by steps as a logarithm does: that costs nothing in the long run
    scales  weight name → (n,), m_k of its n factors
    """

    def __init__(self, rule: str, weights: Mapping[str, Weight]) -> None:
        self.rule, self.weights = rule, weights
        self.scales: dict[str, Tensor] = {}
        self._old: dict[str, tuple[Tensor, ...]] = {}  # T_k before the step that is under way
        self._slopes: dict[str, tuple[Tensor, ...]] = {}
        self._reach: dict[str, Tensor] = {}
        self._made: dict[str, Tensor] = {}  # W as last made, where the parameter does not hold all of it
        self.restart()

    @torch.no_grad()
    def restart(self) -> None:
        """The factors are new ones."""
        self.steps = 0
        for weight in self.weights.values():
            self._measure(weight)

    def _measure(self, weight: Weight) -> None:
        with full_precision(weight.factors[0]):
            self.scales[weight.name] = torch.stack(step_scales(weight.format, weight.factors, rule=self.rule))

    # ---- a step -----------------------------------------------------------------------------------------------------

    def note(self, weight: Weight, gradient: Tensor | None) -> None:
        """Before alignment adds to them: the gradients of the factors over that of W, for a linear rule."""
        self._slopes.pop(weight.name, None)
        if self.rule == "gradient" and gradient is not None:
            pulled = [f.grad for f in weight.factors if f.grad is not None]
            self._slopes[weight.name] = slopes(gradient.to(pulled[0].dtype), pulled, 0)

    def lend(self, weight: Weight) -> None:
        """Let the inner optimiser see c_k T_k, if it is going to step on these factors."""
        if all(f.grad is None for f in weight.factors):
            return
        old = self._old[weight.name] = tuple(f.detach().clone() for f in weight.factors)
        for factor, seen in zip(weight.factors, lent(old, self.scales[weight.name].unbind()), strict=True):
            factor.copy_(seen)

    def take(self, weight: Weight) -> None:
        """T_k ← T_k + m_k u_k of the inner optimiser's steps u_k."""
        if weight.name not in self._old:
            return
        old, scales = self._old[weight.name], self.scales[weight.name].unbind()
        steps = [f.detach() - seen for f, seen in zip(weight.factors, lent(old, scales), strict=True)]
        far = lengths(steps, 0)
        for factor, new in zip(weight.factors, moved(old, capped(old, scales, far), steps), strict=True):
            factor.copy_(new)
        if self.rule == "sign" or weight.name in self._slopes:
            self._reach[weight.name] = reach(scales, far, self._slopes.pop(weight.name, None))

    def contracted(self, weights: Sequence[Weight], *, keep: bool) -> Iterator[Contracted]:
        """`contracted` of each, after as much of its step as W may move by; and the scales anew, if it is time."""
        made = {w.name: w.contracted(keep=keep) for w in weights}
        back = self._shares({n: w for n, (w, _) in made.items() if n in self._reach})
        for weight in weights:
            w, pullback = made.pop(weight.name)
            old = self._old.pop(weight.name, None)
            if old is not None and weight.name in back:
                w, pullback = self._backed(weight, old, *back[weight.name], keep=keep)
            if old is not None and self.steps & (self.steps - 1) == 0:  # a power of two
                self._measure(weight)
            if _holds(weight, w):
                self._made.pop(weight.name, None)
            else:
                self._made[weight.name] = w
            yield weight, w, pullback

    def _backed(
        self, weight: Weight, old: tuple[Tensor, ...], far: Tensor, found: Share, *, keep: bool
    ) -> tuple[Tensor, Pullback | None]:
        """W after as much of the step as takes it to `far`, and so the factors; the host waits for each try."""
        before = self._before(weight)
        steps = [f - t for f, t in zip(weight.factors, old, strict=True)]
        for _ in range(TRIES):
            for factor, new in zip(weight.factors, moved(old, (found.share,) * len(old), steps), strict=True):
                factor.copy_(new)
            w, pullback = weight.contracted(keep=keep)
            found = tried(found, far, before, w)
            if found.known:
                break
        return w, pullback

    def _shares(self, made: Mapping[str, Tensor]) -> dict[str, tuple[Tensor, Share]]:
        """Weight name → how far it may go, and the share of its step to try, where W would go too far: the host waits once
        for all of them.
        """
        far = {n: self._reach.pop(n) for n in made}
        shares = {
            n: share(far[n], self._before(self.weights[n]), w, len(self.weights[n].factors)) for n, w in made.items()
        }
        if not shares:
            return {}
        known = [s.known for s in shares.values()]
        said = torch.stack([k.to(known[0].device) for k in known]).tolist()
        return {n: (far[n], s) for (n, s), is_known in zip(shares.items(), said, strict=True) if not is_known}

    @torch.no_grad()
    def undo(self) -> None:
        """A step failed half-way: the factors are as before it."""
        for name, old in self._old.items():
            for factor, t in zip(self.weights[name].factors, old, strict=True):
                factor.copy_(t)
        for held in (self._old, self._slopes, self._reach):
            held.clear()

    def _before(self, weight: Weight) -> Tensor:
        return self._made.get(weight.name, weight.parameter.detach())

    # ---- saving -----------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        return {"rule": self.rule, "steps": self.steps, "scales": dict(self.scales)}

    def load(self, state: Mapping[str, Any]) -> None:
        self.steps = state["steps"]
        for name, own in self.scales.items():
            self.scales[name] = state["scales"][name].to(own.device, own.dtype, copy=True)


def _holds(weight: Weight, w: Tensor) -> bool:
    """Whether the parameter is all of W, to the bit."""
    return not is_sharded(weight.parameter) and weight.parameter.dtype == w.dtype
