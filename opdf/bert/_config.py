"""What config.json says of a BERT encoder, and which of it is known here."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from tensornet import TensorNetError

ACTIVATIONS = ("gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "silu", "swish", "tanh")

# Keys that may have one value only, because another would mean another network.
FIXED = {
    "model_type": "bert",
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
    "pruned_heads": {},
}

# Keys that say nothing of what the encoder computes: of heads, generation, files, PyTorch, and TensorFlow's own pooler.
OTHERS = {
    *(
        "_name_or_path",
        "_num_labels",
        "architectures",
        "attn_implementation",
        "bos_token_id",
        "chunk_size_feed_forward",
    ),
    *("classifier_dropout", "cls_token_id", "directionality", "dtype", "eos_token_id", "finetuning_task", "id2label"),
    *("gradient_checkpointing", "label2id", "mask_token_id", "num_labels", "output_attentions", "output_hidden_states"),
    *("output_past", "pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers", "pooler_size_per_head"),
    *("pooler_type", "problem_type", "return_dict", "sep_token_id", "tie_word_embeddings", "torch_dtype"),
    *("transformers_version", "use_cache"),
}


@dataclass(frozen=True)
class Config:
    """The keys of config.json, by their names there, that say what the encoder computes.

    pad_token_id is only handed on: what is padding is told to the encoder by the attention mask.
    raises: TensorNetError for sizes that are no positive integers, heads that do not divide hidden_size, rates that are no
        probabilities, an activation that is not known here
    """

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    pad_token_id: int | None = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if needed := _needed(field.name, field.type, value):
                raise TensorNetError(
                    f"bert.Config: {field.name}={value!r}, needed {needed}, because the encoder is made by it; correct "
                    f"config.json"
                )
        if self.hidden_size % self.num_attention_heads:
            raise TensorNetError(
                f"bert.Config: {self.num_attention_heads} heads do not divide hidden_size={self.hidden_size}, needed, because "
                f"each has an equal part of it; correct one of them"
            )

    @classmethod
    def read(cls, path: Path) -> "Config":
        """Of a config.json; raises TensorNetError if it is none of a BERT encoder, or has keys that are not known here."""
        try:
            found = dict(json.loads(path.read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise TensorNetError(
                f"bert.from_pretrained: {path} cannot be read ({error}), needed the JSON object that Transformers writes, "
                f"because it has the sizes; give the folder of a saved BertModel"
            ) from error
        _refuse_others(path, found)
        ours = {f.name: found[f.name] for f in fields(cls) if f.name in found}
        missing = [f.name for f in fields(cls)[:5] if f.name not in ours]
        if missing:
            raise TensorNetError(
                f"bert.from_pretrained: {path} has no {', '.join(missing)}, needed, because sizes are not guessed; add them"
            )
        return cls(**ours)

    def to_dict(self) -> dict[str, Any]:
        """For config.json, which Transformers reads as that of a BertModel."""
        return {"architectures": ["BertModel"], **FIXED, **{f.name: getattr(self, f.name) for f in fields(self)}}


def _refuse_others(path: Path, found: Mapping[str, Any]) -> None:
    known = {f.name for f in fields(Config)} | FIXED.keys() | OTHERS
    other = {k: found.get(k) for k, v in FIXED.items() if (k in found or k == "model_type") and found.get(k) != v}
    unknown = sorted(found.keys() - known)
    if other or unknown:
        raise TensorNetError(
            f"bert.from_pretrained: {path} says {', '.join([*(f'{k}={v!r}' for k, v in other.items()), *unknown])}, needed a "
            f"BERT encoder ({', '.join(f'{k}={v!r}' for k, v in FIXED.items())}) without keys that are unknown here, because "
            f"they may change what it computes; take another model, or delete keys that do not"
        )


def _needed(name: str, kind: Any, value: Any) -> str | None:
    """What the key must be, if `value` is something else."""
    if name == "hidden_act":
        return None if value in ACTIVATIONS else f"one of {', '.join(ACTIVATIONS)}"
    if name == "pad_token_id":
        return None if value is None or type(value) is int else "an integer or null"
    if kind is int:
        return None if type(value) is int and value > 0 else "a positive integer"
    return None if type(value) in (int, float) and 0 <= value < 1 else "a number from 0 and below 1"
