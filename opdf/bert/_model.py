"""BERT (arXiv 1810.04805): embeddings, and layers of attention and a feed-forward network with LayerNorm after each."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from tensornet import TensorNetError

from ._config import Config

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "gelu": partial(jax.nn.gelu, approximate=False),
    "gelu_new": jax.nn.gelu,
    "gelu_pytorch_tanh": jax.nn.gelu,
    "relu": jax.nn.relu,
    "silu": jax.nn.silu,
    "swish": jax.nn.silu,
    "tanh": jnp.tanh,
}


class Embeddings(nnx.Module):
    """Of words, of positions and of segments."""

    def __init__(self, config: Config, **options: Any) -> None:
        def table(rows: int) -> nnx.Embed:
            init = nnx.initializers.normal(config.initializer_range)
            return nnx.Embed(rows, config.hidden_size, embedding_init=init, **options)

        self.words = table(config.vocab_size)
        self.positions = table(config.max_position_embeddings)
        self.types = table(config.type_vocab_size)
        self.norm = _norm(config, **options)
        self.dropout = nnx.Dropout(config.hidden_dropout_prob)

    def __call__(self, ids: Array, types: Array, rngs: nnx.Rngs | None) -> Array:
        x = self.words(ids) + self.types(types) + self.positions(jnp.arange(ids.shape[1]))[None]
        return _dropped(self.dropout, self.norm(x), rngs)


class Attention(nnx.Module):
    """softmax(q kᵀ/√d) v in each head, over the tokens that are no padding."""

    def __init__(self, config: Config, **options: Any) -> None:
        self.heads = config.num_attention_heads
        linear = partial(_linear, config, config.hidden_size, config.hidden_size, **options)
        self.query, self.key, self.value, self.out = linear(), linear(), linear(), linear()
        self.dropout = nnx.Dropout(config.attention_probs_dropout_prob)

    def __call__(self, x: Array, mask: Array, rngs: nnx.Rngs | None) -> Array:
        q, k, v = (f(x).reshape(*x.shape[:2], self.heads, -1) for f in (self.query, self.key, self.value))
        scores = (
            jnp.einsum("bqhd,bkhd->bhqk", q, k).astype(jnp.promote_types(x.dtype, jnp.float32)) * q.shape[-1] ** -0.5
        )
        p = jax.nn.softmax(jnp.where(mask[:, None, None, :], scores, jnp.finfo(scores.dtype).min))
        p = _dropped(self.dropout, p.astype(x.dtype), rngs)
        return self.out(jnp.einsum("bhqk,bkhd->bqhd", p, v).reshape(x.shape))


class Layer(nnx.Module):
    """x ← norm(x + attention(x)); x ← norm(x + feed-forward(x))."""

    def __init__(self, config: Config, **options: Any) -> None:
        self.attention = Attention(config, **options)
        self.attention_norm = _norm(config, **options)
        self.up = _linear(config, config.hidden_size, config.intermediate_size, **options)
        self.down = _linear(config, config.intermediate_size, config.hidden_size, **options)
        self.norm = _norm(config, **options)
        self.act = config.hidden_act
        self.dropout = nnx.Dropout(config.hidden_dropout_prob)

    def __call__(self, x: Array, mask: Array, rngs: nnx.Rngs | None) -> Array:
        x = self.attention_norm(x + _dropped(self.dropout, self.attention(x, mask, rngs), rngs))
        h = ACTIVATIONS[self.act](self.up(x))
        return self.norm(x + _dropped(self.dropout, self.down(h), rngs))


class Encoder(nnx.Module):
    """The encoder of a BertModel.

    config  frozen; what the encoder is made by
    pooler  whether it has the dense layer on the first token that BertModel calls its pooler
    dtype   of the parameters, and of what is computed; norms and softmax have at least float32
    rngs    for the first values of the parameters
    """

    def __init__(self, config: Config, *, pooler: bool = True, dtype: Any = jnp.float32, rngs: nnx.Rngs) -> None:
        options = {"dtype": dtype, "param_dtype": dtype, "rngs": rngs}
        self.config = config
        self.embeddings = Embeddings(config, **options)
        self.layers = nnx.List([Layer(config, **options) for _ in range(config.num_hidden_layers)])
        self.pooler = _linear(config, config.hidden_size, config.hidden_size, **options) if pooler else None

    def __call__(
        self,
        input_ids: Array,
        attention_mask: Array | None = None,
        token_type_ids: Array | None = None,
        *,
        rngs: nnx.Rngs | None = None,
    ) -> tuple[Array, ...]:
        """The hidden states (batch, length, hidden_size): of the embeddings, and after each layer, the last one last.

        input_ids, token_type_ids  (batch, length) integers; segment 0 by default. Out of range, they make NaN
        attention_mask             (batch, length), 0 where there is padding
        rngs                       with a stream `dropout`; without it there is no dropout
        """
        _check(self.config, input_ids, attention_mask, token_type_ids)
        mask = jnp.ones_like(input_ids, bool) if attention_mask is None else attention_mask.astype(bool)
        types = jnp.zeros_like(input_ids) if token_type_ids is None else token_type_ids
        states = [self.embeddings(input_ids, types, rngs)]
        for layer in self.layers:
            states.append(layer(states[-1], mask, rngs))
        return tuple(states)

    def pooled(self, last: Array) -> Array:
        """tanh of the pooler's layer on the first token of the last hidden state: (batch, hidden_size)."""
        if self.pooler is None:
            raise TensorNetError(
                "bert.Encoder.pooled: this encoder has no pooler, needed, because its weights are that layer's; take the "
                "first token, or the mean over tokens, or make the encoder with pooler=True"
            )
        return jnp.tanh(self.pooler(last[:, 0]))


def shallower(teacher: Encoder, layers: Sequence[int]) -> Encoder:
    """A student of these layers of the teacher, with parameters of its own: range(1, 6, 2) takes every other of six."""
    total = len(teacher.layers)
    if not layers or not all(-total <= n < total for n in layers):
        raise TensorNetError(
            f"bert.shallower: got layers {list(layers)} of a teacher of {total}, needed numbers of some of those, because the "
            f"student starts from their weights; choose from 0 … {total - 1}"
        )
    student = nnx.clone(teacher)
    student.layers = nnx.List([nnx.clone(teacher.layers[n]) for n in layers])
    student.config = replace(teacher.config, num_hidden_layers=len(layers))
    return student


def _linear(config: Config, n_in: int, n_out: int, **options: Any) -> nnx.Linear:
    return nnx.Linear(n_in, n_out, kernel_init=nnx.initializers.normal(config.initializer_range), **options)


def _norm(config: Config, **options: Any) -> nnx.LayerNorm:
    return nnx.LayerNorm(config.hidden_size, epsilon=config.layer_norm_eps, use_fast_variance=False, **options)


def _dropped(dropout: nnx.Dropout, x: Array, rngs: nnx.Rngs | None) -> Array:
    return dropout(x, deterministic=rngs is None, rngs=rngs)


def _check(config: Config, ids: Array, mask: Array | None, types: Array | None) -> None:
    others = {"attention_mask": mask, "token_type_ids": types}
    shapes = {name: a.shape for name, a in {"input_ids": ids, **others}.items() if a is not None}
    if len(ids.shape) != 2 or ids.shape[1] > config.max_position_embeddings or len({*shapes.values()}) > 1:
        raise TensorNetError(
            f"bert.Encoder: got {', '.join(f'{n} {s}' for n, s in shapes.items())}, needed all of one shape (batch, length) "
            f"with at most {config.max_position_embeddings} tokens, because there are no more positions; pad, or cut them"
        )
