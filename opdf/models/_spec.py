"""Which networks a run takes. No framework is loaded to read it."""

from dataclasses import dataclass
from typing import Literal

Head = Literal["fresh", "judged", "needed"]
"""What the head of an encoder has to be: fresh, drawn from a seed where there is none; judged, there is one or none, but what
there is has the task's labels; needed, it is there, with the task's labels."""


@dataclass(frozen=True)
class Teacher:
    """The network that is learnt from."""

    source: str | None = None
    """Folder or hub name of a Hugging Face encoder, or of a network that a run exported. None: images and translation, from
    random weights."""
    kind: Literal["residual", "vit", "hierarchical"] = "residual"
    """Images: the family of networks."""
    depth: int = 8
    """Images: blocks; translation: layers of the encoder."""
    width: int = 128
    """Images, translation: units of each block."""
    epochs: float = 3.0
    """Passes of fine-tuning on the task; 0 takes the teacher as it is."""
    lr: float = 5e-5
    """Of its fine-tuning."""
    seed: int = 0
    """Of its new weights, which may be its head alone, and of its fine-tuning; the same for all students."""
    whole_train: bool = False
    """Fine-tune it on all of train, where task.train_size leaves the student a part."""
    decoder: int | None = None
    """Translation: layers of the decoder; None: as many as the encoder's."""
    feed_forward: int | None = None
    """Images, translation: units inside a feed-forward part; None: four times the width (residual: as many)."""
    heads: int | None = None
    """Images, translation: attention heads; None: four."""
    dropout: float = 0.1
    """Translation: share of the units left out in training, the student's too."""
    tied: bool = True
    """Translation: the decoder's embeddings are its output's weights too, the student's too."""


@dataclass(frozen=True)
class Student:
    """The network that is shipped."""

    layers: int = 3
    """Layers or blocks; translation: of the encoder."""
    start: Literal["teacher", "random-layers", "random"] = "teacher"
    """From the teacher's layers; from random layers between the teacher's embeddings and head; or all from random weights."""
    layer_map: Literal["uniform", "first", "last", "skip"] = "uniform"
    """Which of the teacher's layers it starts from."""
    width: int | None = None
    """Hidden size; None: the teacher's. Another one cannot start from the teacher's layers."""
    feed_forward: int | None = None
    """Units inside a feed-forward layer; None: in the teacher's proportion."""
    heads: int | None = None
    """Attention heads; None: the teacher's."""
    kind: Literal["residual", "vit", "hierarchical"] | None = None
    """Images: the family of networks; None: the teacher's."""
    kronecker: float | None = None
    """Compress it so many times: embedding, attention and feed-forward weights become Kronecker products and stay such."""
    compact: str | None = None
    """Folder `compact` of an earlier run, to go on from with this teacher's head: stage 2 of KroneckerBERT."""
    decoder: int | None = None
    """Translation: layers of the decoder; None: as many as the encoder's."""
