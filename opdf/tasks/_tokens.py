"""Text to token ids."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tensornet import TensorNetError

from ._source import Part
from ._task import Examples


def tokenizer_of(name: str, source: str | None) -> Any:
    """The tokenizer in a folder, or of a name on the hub."""
    if source is None:
        raise TensorNetError(
            f"{name}: no tokenizer, needed one for text, because its ids are the rows of the model's embedding; set "
            f"tokenizer to the teacher's folder"
        )
    try:
        from transformers import AutoTokenizer
    except ImportError:
        raise TensorNetError(
            f"{name}: the package transformers is not installed, needed for the tokenizer of text; pip install 'opdf[hf]'"
        ) from None
    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
    except Exception as error:  # OSError, ValueError, KeyError, … as the files go
        raise TensorNetError(
            f"{name}: no tokenizer in {source} ({type(error).__name__}: {str(error).splitlines()[0]}), needed a folder with "
            f"tokenizer.json or vocab.txt, or a name where the hub can be reached; correct tokenizer"
        ) from error
    if len(tokenizer) <= len(tokenizer.all_special_ids):  # what transformers makes of a model's folder without one
        raise TensorNetError(
            f"{name}: the tokenizer of {source} knows no word, needed a vocabulary, because every text would be the same; "
            f"put tokenizer.json or vocab.txt into the folder, or correct tokenizer"
        )
    return tokenizer


def check_tokenizer(name: str, tokenizer: Any, max_length: int, pair: bool) -> None:
    """Room for a token of each text, no more than the tokenizer's model takes, and something to pad with."""
    least = tokenizer.num_special_tokens_to_add(pair=pair) + 1 + pair
    if not least <= max_length <= tokenizer.model_max_length:
        raise TensorNetError(
            f"{name}: max_length={max_length}, needed {least} … {tokenizer.model_max_length}, because there must be room for "
            f"special tokens and text, and the model has no positions beyond; set max_length in that range"
        )
    if tokenizer.pad_token_id is None:
        raise TensorNetError(
            f"{name}: the tokenizer has no padding token, needed one, because batches are padded; set it in the tokenizer's "
            f"files, e.g. tokenizer.pad_token = tokenizer.eos_token before save_pretrained"
        )


def encode(tokenizer: Any, part: Part, max_length: int) -> Examples:
    """Each text, or pair, as one row of ids, cut to max_length from the longer text's end."""
    encoded = tokenizer(
        *(list(column) for column in part.inputs),
        truncation="longest_first",
        max_length=max_length,
        padding=False,
        return_attention_mask=False,
    )
    names = [name for name in ("input_ids", "token_type_ids") if name in encoded]
    fields = {name: [np.array(row, np.int64) for row in encoded[name]] for name in names}
    return Examples(fields, part.labels, tokenizer.pad_token_id, max_length)


def full(parts: Mapping[str, Examples], max_length: int) -> str:
    """How many texts have as many tokens as go in, those that were cut among them; nothing where there are none."""
    counts = {name: int((p.lengths == max_length).sum()) for name, p in parts.items() if p.lengths is not None}
    told = ", ".join(f"{count:,} of {name}" for name, count in counts.items() if count)
    return f" Texts as long as max_length, {max_length} tokens, where longer ones are cut: {told}." if told else ""
