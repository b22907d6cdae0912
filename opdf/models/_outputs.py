"""What a network says of a batch, and its way from the inputs to it, layer by layer.

    logits = answer(model, run_layer(Lₙ, … run_layer(L₁, embed(model, inputs), inputs) …, inputs), inputs)

is to the last bit what the model's own forward says. Encoders of Hugging Face and image networks alike.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers.masking_utils import create_bidirectional_mask

from tensornet import TensorNetError

from ..translation._network import TranslationNetwork
from ._image import ImageNetwork

WANTED = ("logits", "embeddings", "hidden", "scores", "ffn")
Inputs = Mapping[str, Tensor]


def outputs(model: nn.Module, inputs: Inputs, wanted: Collection[str] = ("logits",)) -> dict[str, Any]:
    """What is wanted of one pass.

    inputs  by name: input_ids (b, t), attention_mask (b, t), token_type_ids (b, t) and, in place of what their table says of
            input_ids, inputs_embeds (b, t, d); or pixels (b, height, width); of translations also target_ids and
            target_mask (b, u)
    wanted  "logits"      (b, classes); of translations, all that can be wanted, (Σ target lengths, vocabulary)
            "embeddings"  (b, t, d), what the first layer reads
            "hidden"      a tuple of (b, t, d), what each layer says; residual: t = 1, hierarchical: from stage
                          2 on fewer and wider tokens
            "scores"      a tuple of (b, heads, t, t), ⟨query, key⟩/√(d/heads) of each layer before mask and softmax
            "ffn"         a tuple of (b, t, d), W₂ φ(W₁ h + b₁) + b₂ of each layer before dropout, residual and norm
    returns: float32 at least, under autocast too
    raises: TensorNetError for what is not known, or scores of a network without attention
    """
    if unknown := sorted(set(wanted) - set(WANTED)):
        raise TensorNetError(
            f"outputs: wanted {', '.join(unknown)}, needed some of {', '.join(WANTED)}, because no more is known of a model; "
            f"correct the name"
        )
    if isinstance(model, TranslationNetwork):
        return _of_translation(model, inputs, wanted)
    hidden = embed(model, inputs)
    said: dict[str, Any] = {"embeddings": hidden, "hidden": (), "scores": (), "ffn": ()}
    for layer in layers(model):
        with _heard(_parts(layer, wanted)) as found:
            hidden = run_layer(layer, hidden, inputs)
        if "scores" in wanted:
            said["scores"] += (_product(layer, found[attention(layer).query], found[attention(layer).key]),)
        if "ffn" in wanted:
            said["ffn"] += (found[feed_forward(layer)],)
        if "hidden" in wanted:
            said["hidden"] += (hidden,)
    if "logits" in wanted:
        said["logits"] = answer(model, hidden, inputs)
    return {name: _lifted(said[name]) for name in wanted}


def _of_translation(model: TranslationNetwork, inputs: Inputs, wanted: Collection[str]) -> dict[str, Any]:
    if inner := sorted(set(wanted) - {"logits"}):
        raise TensorNetError(
            f"outputs: wanted {', '.join(inner)} of a translation network, needed logits alone, because it has two stacks of "
            f"layers, of which none is the one; leave out what looks inside the teacher"
        )
    return {"logits": _lifted(model(inputs))} if wanted else {}


def _lifted(said: Any) -> Any:
    """Under autocast a network says 16-bit numbers; losses are of float32 at least."""
    if isinstance(said, tuple):
        return tuple(map(_lifted, said))
    return said.to(torch.promote_types(said.dtype, torch.float32))


def layers(model: nn.Module) -> nn.ModuleList:
    """The model's own list: what is put there takes part in its forward."""
    return cast(nn.ModuleList, model.blocks if isinstance(model, ImageNetwork) else _base(model).encoder.layer)


def embed(model: nn.Module, inputs: Inputs) -> Tensor:
    """(b, t, d): what the first layer reads."""
    if isinstance(model, ImageNetwork):
        return model.embedding(**inputs)
    base = _base(model)
    hidden: Tensor = base.embeddings(**{name: x for name, x in inputs.items() if name != "attention_mask"})
    return base.embeddings_project(hidden) if hasattr(base, "embeddings_project") else hidden  # Electra


def run_layer(layer: nn.Module, hidden: Tensor, inputs: Inputs) -> Tensor:
    """(b, t, d) → (b, t, d) by one layer of any model, under the inputs' attention_mask."""
    if "pixels" in inputs:
        return layer(hidden)
    config = attention(layer).config
    mask = create_bidirectional_mask(config=config, inputs_embeds=hidden, attention_mask=inputs.get("attention_mask"))
    return layer(hidden, mask)


def answer(model: nn.Module, hidden: Tensor, inputs: Inputs) -> Tensor:
    """(b, t, d) from the last layer → logits (b, classes)."""
    if isinstance(model, ImageNetwork):
        return model.answer(hidden)
    encoder, base = cast(Any, model), _base(model)
    if getattr(base, "pooler", None) is None:
        return encoder.classifier(hidden)  # RoBERTa and Electra pool inside the head
    return encoder.classifier(encoder.dropout(base.pooler(hidden)))


def word_embeddings(model: nn.Module, ids: Tensor) -> Tensor:
    """(b, t) → (b, t, d): rows of the word table, before positions are added; `inputs_embeds` for attributions."""
    return _base(model).get_input_embeddings()(ids)


def attention(layer: nn.Module) -> Any:
    """The module with query, key and num_attention_heads of a layer.

    raises: TensorNetError where there is none
    """
    found = getattr(layer, "attention", None)
    found = getattr(found, "self", found)
    if found is None:
        raise TensorNetError(
            f"outputs: scores of a {type(layer).__name__}, needed a layer with attention, because scores are of queries and "
            f"keys; take kind='vit', or a method without attention scores"
        )
    return found


def feed_forward(layer: nn.Module) -> nn.Module:
    """The second linear map of a layer's feed-forward part."""
    return cast(nn.Module, layer.fc2 if hasattr(layer, "fc2") else cast(Any, layer).output.dense)


def _base(model: nn.Module) -> Any:
    if not hasattr(model, "base_model"):
        raise TensorNetError(
            f"outputs: got a {type(model).__name__}, needed an encoder of Transformers or an image network, because its "
            f"layers are asked for; pass a model that `load` returned"
        )
    return model.base_model


def _parts(layer: nn.Module, wanted: Collection[str]) -> list[nn.Module]:
    """The modules that are listened to."""
    scores = [attention(layer).query, attention(layer).key] if "scores" in wanted else []
    return [*scores, *([feed_forward(layer)] if "ffn" in wanted else [])]


@contextmanager
def _heard(parts: list[nn.Module]) -> Iterator[dict[nn.Module, Tensor]]:
    """Fills a dict with what each of these modules says, (b, t, d)."""
    said: dict[nn.Module, Tensor] = {}

    def note(module: nn.Module, _: Any, output: Tensor) -> None:
        said[module] = output

    hooks = [part.register_forward_hook(note) for part in parts]
    try:
        yield said
    finally:
        for hook in hooks:
            hook.remove()


def _product(layer: nn.Module, query: Tensor, key: Tensor) -> Tensor:
    heads = attention(layer).num_attention_heads
    q, k = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (query, key))  # (b, heads, t, d/heads)
    return q @ k.transpose(2, 3) * q.shape[-1] ** -0.5
