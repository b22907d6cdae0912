"""One weight at a time through an optimiser that treats every parameter by itself."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.optim import Optimizer

from tensornet import TensorNetError

# What these do to a parameter depends on it, its gradient and its state alone. LBFGS and subclasses may do otherwise.
BY_ITSELF = (
    "ASGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SGD",
)


def check_portions(inner: Optimizer, asked: str) -> None:
    """Refuse what is `asked` for where `inner` needs the gradients of all factors at once."""
    if type(inner) not in {getattr(torch.optim, name, None) for name in BY_ITSELF}:
        raise TensorNetError(
            f"overparameterize: {asked} with {type(inner).__name__}, needed one of {', '.join(BY_ITSELF)} of torch.optim, "
            f"because its step sees the factors of some weights only, and only these are known to treat every parameter by "
            f"itself; use one of them, or leave {asked} out"
        )
    refuse_hooks(inner, asked, ours=0)


def refuse_hooks(inner: Optimizer, asked: str, *, ours: int) -> None:
    """Refuse it with hooks on the steps of `inner` too: they would see the factors of some weights only."""
    if len(inner._optimizer_step_pre_hooks) + len(inner._optimizer_step_post_hooks) > ours:
        raise TensorNetError(
            f"overparameterize: {asked} with a step hook on the inner optimiser, needed none, because its step sees the "
            f"factors of some weights only; register it on the optimiser that is returned"
        )


def check_low_memory(inner: Optimizer, max_factor_norm: float | None) -> None:
    check_portions(inner, "low_memory=True")
    if max_factor_norm is not None:
        raise TensorNetError(
            f"overparameterize: low_memory=True with max_factor_norm={max_factor_norm!r}; needed one of the two, because the "
            f"norm of all factors' gradients is known only when all are there at once; clip the dense gradient instead"
        )


def check_norm(max_factor_norm: float | None) -> None:
    if max_factor_norm is not None and not (isinstance(max_factor_norm, int | float) and max_factor_norm > 0):
        raise TensorNetError(
            f"overparameterize: max_factor_norm={max_factor_norm!r}, needed a number above 0, because the factors' gradients "
            f"are scaled down to that norm; pass one, or None for no clipping"
        )


@contextmanager
def only(inner: Optimizer, chosen: Callable[[Tensor], bool]) -> Iterator[None]:
    """`inner` with no other parameters in its groups."""
    groups = inner.param_groups
    kept = [(g, [p for p in g["params"] if chosen(p)]) for g in groups]
    inner.param_groups = [{**g, "params": params} for g, params in kept if params]
    try:
        yield
    finally:
        inner.param_groups = groups
