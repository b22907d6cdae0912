"""How long networks in JAX take to answer, side by side."""

from collections.abc import Sequence
from functools import partial

import jax

from ._jax_network import Inputs, Model, answer
from ._turns import in_turn


def latency(models: Sequence[Model], inputs: Inputs, rounds: int = 15) -> tuple[float, ...]:
    """Median milliseconds of each for a batch, compiled, in evaluation, from weights and inputs that are on the device;
    compare those of one call only.
    """
    ready = jax.device_put(dict(inputs))
    return in_turn([partial(_answer, model.placed(), ready) for model in models], rounds)


def _answer(model: Model, inputs: Inputs) -> None:
    answer(model.network, model.weights, inputs).block_until_ready()
