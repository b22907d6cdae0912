"""The description of a translation network, as it is written down. No framework is loaded to read it."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from tensornet import TensorNetError
from tensornet._errors import some


@dataclass(frozen=True)
class Architecture:
    """Of an encoder–decoder Transformer; its config.json.

    vocabulary    pieces, of both languages
    encoder       layers
    decoder       layers
    width         units of each layer
    heads         of attention
    feed_forward  units inside a feed-forward part
    positions     pieces that a sentence can have, with its end
    dropout       share of the units left out in training, of embeddings and of what each part adds
    tied          the decoder's embeddings are its output's weights too
    """

    vocabulary: int
    encoder: int
    decoder: int
    width: int
    heads: int
    feed_forward: int
    positions: int
    dropout: float = 0.1
    tied: bool = True
    kind: Literal["translation"] = "translation"

    def __post_init__(self) -> None:
        sizes = (self.vocabulary, self.encoder, self.decoder, self.width, self.heads, self.feed_forward, self.positions)
        if not all(type(n) is int and n > 0 for n in sizes) or self.width % 2 or not 0 <= self.dropout < 1:
            raise TensorNetError(
                f"{self}: needed positive integers, an even width, because positions are pairs of a sine and a cosine, and a "
                f"dropout from 0 to below 1; correct them"
            )
        if self.width % self.heads:
            raise TensorNetError(
                f"translation network: {self.heads} heads for width {self.width}, needed a divisor of it, because each head "
                f"has an equal part; change heads or width"
            )


def is_translation_network(config: dict[str, Any]) -> bool:
    """Whether a config.json is of one."""
    return config.get("kind") == "translation"


def described(config: dict[str, Any], path: Path) -> Architecture:
    """What a config.json says, read from `path`."""
    names = {f.name for f in fields(Architecture)}
    if config.keys() != names:
        raise TensorNetError(
            f"load: {path} lacks {some(sorted(names - config.keys()))} and has unknown {some(sorted(config.keys() - names))}, "
            f"needed {', '.join(sorted(names))}, because the network is made by them; take a folder that a run exported"
        )
    return Architecture(**config)
