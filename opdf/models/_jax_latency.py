"""How long networks in JAX take to answer, side by side."""

from collections.abc import Sequence
from functools import partial

from ._jax_network import Inputs, Model, answer
from ._turns import in_turn


def latency(models: Sequence[Model], inputs: Inputs, rounds: int = 15) -> tuple[float, ...]:
    """Median milliseconds of each for a batch, compiled, in evaluation; compare those of one call only."""
    return in_turn([partial(_answer, model, inputs) for model in models], rounds)


def _answer(model: Model, inputs: Inputs) -> None:
    answer(model.network, model.weights, inputs).block_until_ready()
