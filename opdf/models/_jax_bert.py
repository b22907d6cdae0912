"""BERT with a head for sequences in JAX: what Transformers calls BertForSequenceClassification, by its names."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array
from numpy.typing import NDArray

from .. import bert
from ..bert._names import MODULES
from ._jax_network import Inputs, Network, Shape, Weights, linear

CONFIG = "config.json"
PREFIX = "bert."

Keys = tuple[Any, ...]  # "layers", 0, "up", "kernel"


@dataclass(frozen=True)
class Bert(Network):
    """An encoder, its pooler, and a linear head.

    config   what the encoder computes
    labels   of the classes, in order; one, where a number is predicted
    dropout  before the head
    rest     the other keys of config.json, as JSON: they are handed on
    """

    config: bert.Config
    labels: tuple[str, ...]
    dropout: float
    rest: str
    layers: ClassVar[str] = f"{PREFIX}encoder.layer."

    @classmethod
    def read(cls, folder: Path, labels: Sequence[str]) -> "Bert":
        """Of a folder's config.json; raises TensorNetError if it is none of a BERT encoder."""
        config = bert.Config.read(folder / CONFIG)
        rest = json.loads((folder / CONFIG).read_text())
        rate = rest.get("classifier_dropout")
        return cls(config, tuple(labels), config.hidden_dropout_prob if rate is None else rate, json.dumps(rest))

    @property
    def sizes(self) -> dict[str, Any]:
        c = self.config
        return {"width": c.hidden_size, "feed_forward": c.intermediate_size, "heads": c.num_attention_heads}

    @property
    def depth(self) -> int:
        return self.config.num_hidden_layers

    @property
    def shapes(self) -> dict[str, Shape]:
        _, places = _abstract(self.config)
        classes = len(self.labels)
        head = {"classifier.weight": (classes, self.config.hidden_size), "classifier.bias": (classes,)}
        return {name: shape for name, (_, shape) in places.items()} | head

    @property
    def linear(self) -> tuple[str, ...]:
        return tuple(n for n, s in self.shapes.items() if len(s) == 2 and not n.startswith(f"{PREFIX}embeddings."))

    def fresh(self, seed: int) -> dict[str, NDArray[np.float32]]:
        """N(0, initializer_range²) for matrices, 0 for biases and for the padding's row, 1 for the scales of norms."""
        draw, c = np.random.default_rng(seed), self.config
        weights = {}
        for name, shape in self.shapes.items():
            values = c.initializer_range * draw.standard_normal(shape) if len(shape) == 2 else np.zeros(shape)
            weights[name] = (values + (len(shape) == 1 and name.endswith("weight"))).astype(np.float32)
        if c.pad_token_id is not None and 0 <= c.pad_token_id < c.vocab_size:
            weights[f"{PREFIX}embeddings.word_embeddings.weight"][c.pad_token_id] = 0
        return weights

    def logits(self, weights: Weights, inputs: Inputs, key: Array | None = None) -> Array:
        graph, places = _abstract(self.config)
        arrays = {path: _turned(path, weights[name]) for name, (path, _) in places.items()}
        model = nnx.merge(graph, nnx.from_flat_state({path: nnx.Param(array) for path, array in arrays.items()}))
        rngs = None if key is None else nnx.Rngs(dropout=key)
        last = model(inputs["input_ids"], inputs.get("attention_mask"), inputs.get("token_type_ids"), rngs=rngs)[-1]
        pooled = nnx.Dropout(self.dropout)(model.pooled(last), deterministic=rngs is None, rngs=rngs)
        return linear(weights, "classifier", pooled)

    def smaller(self, layers: int, width: int | None, feed_forward: int | None, heads: int | None) -> Network:
        c = self.config
        width = width or c.hidden_size
        made = replace(
            c,
            num_hidden_layers=layers,
            hidden_size=width,
            intermediate_size=feed_forward or round(c.intermediate_size * width / c.hidden_size),
            num_attention_heads=heads or c.num_attention_heads,
        )
        return replace(self, config=made)

    def describe(self, folder: Path) -> None:
        """As Transformers reads it: everything that the encoder's had, with these sizes and labels."""
        sizes = {f.name: getattr(self.config, f.name) for f in fields(self.config)}
        rest = {k: v for k, v in json.loads(self.rest).items() if k not in ("torch_dtype", "num_labels")}
        written = {
            **rest,
            **sizes,
            "architectures": ["BertForSequenceClassification"],
            "dtype": "float32",
            "id2label": dict(enumerate(self.labels)),
            "label2id": {name: n for n, name in enumerate(self.labels)},
            "problem_type": "regression" if len(self.labels) == 1 else "single_label_classification",
        }
        (folder / CONFIG).write_text(json.dumps(written, indent=2) + "\n")


@cache
def _abstract(config: bert.Config) -> tuple[Any, dict[str, tuple[Keys, Shape]]]:
    """The encoder without arrays, and each weight's place in it and its shape, by PyTorch's name and in its order."""
    graph, state = nnx.split(nnx.eval_shape(lambda: bert.Encoder(config, rngs=nnx.Rngs(0))))
    places = {}
    for path, variable in sorted(nnx.to_flat_state(state), key=lambda held: _order(held[0])):
        shape = tuple(variable.shape)
        name = PREFIX + bert.torch_name(".".join(map(str, path)))
        places[name] = path, shape[::-1] if path[-1] == "kernel" else shape
    return graph, places


def _order(path: Keys) -> tuple[int, int, bool]:
    """Embeddings, layer by layer, pooler; each in the order of MODULES, a bias last."""
    module = ".".join("#" if type(key) is int else str(key) for key in path[:-1])
    layer = {"embeddings": -1, "layers": path[1]}.get(path[0], sys.maxsize)
    return layer, list(MODULES).index(module), path[-1] == "bias"


def _turned(path: Keys, array: Any) -> Any:
    """Kernels are (in, out) in Flax."""
    return jnp.asarray(array).T if path[-1] == "kernel" else array
