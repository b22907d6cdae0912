"""A run, as it is written down: frozen, typed, every value with a default but what cannot have one."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ..hosts._options import ADKD, DBKD, KD, LGTM, Name, Theseus
from ..models._spec import Head, Student, Teacher
from ..tasks import TaskSpec


@dataclass(frozen=True)
class Opdf:
    """Over-parameterisation of the student's weights while it is trained, and their alignment with the teacher's."""

    on: bool = False
    """Train factors in place of weights; the student that is shipped is the same either way."""
    rules: tuple[str, ...] = ("layers",)
    """layers: every linear weight of the numbered layers, as in the paper; all-linear: those outside too; or regular
    expressions for whole parameter names."""
    cores: int = 5
    """Factors of each weight: 2 is the paper's SVD arm, 3 + (unit modes) its MPO."""
    layout: Literal["outer", "even"] = "outer"
    """outer: two outer factors and unit modes between them, the paper's; even: modes as even as can be."""
    gauge: Literal["balanced", "identity"] = "balanced"
    """Of the first decomposition; balanced is the paper's."""
    lr_transfer: bool = True
    """Scale each factor's step so that W moves as much as it would in a dense step at the same learning rate; false: plain
    steps of the factors, as published."""
    alignment: float = 0.0
    """Weight of the tensor alignment loss L_Aux; 0 leaves it out."""
    alignment_end: float | None = None
    """Its weight at the last step, reached linearly; None: constant."""
    alignment_gauge: Literal["procrustes", "none", "invariant"] = "procrustes"
    """none is Eq. 5 as printed, a target of random signs."""
    pairs: Literal["uniform", "last", "first", "skip"] = "uniform"
    """Which layer of the teacher a student's layer is aligned with; uniform is 2i + 1 at half the depth."""
    resync_every: int = 100
    """Steps between two rotations of the teacher's bonds onto the student's (procrustes)."""


@dataclass(frozen=True)
class Generator:
    """Weight Distillation: the student's weights are generated from groups of its teacher's, then trained on as they are."""

    on: bool = False
    """Train generators of the weights first, whatever student.start says; the student that is shipped is dense either way."""
    start: Literal["teacher", "published"] = "teacher"
    """teacher: a student out of the teacher's weights; published: random maps of them."""
    share: float = 0.5
    """Of the steps, those of the first phase; the rest is dense. Each phase has the whole schedule, warm-up included."""


@dataclass(frozen=True)
class Translation:
    """How translations are learnt and made; other tasks read nothing of it."""

    smoothing: float = 0.1
    """Share of the target that all pieces have alike, in the cross-entropy with the references; the teacher's too."""
    sequence: bool = False
    """The student learns from its teacher's translations of train, by beam search, in place of the references."""
    beam: int = 5
    """Beginnings of a translation that go on together: on test, and for `sequence`. Dev is translated greedily."""
    length_penalty: float = 1.0
    """α of a translation's score, Σ log p / n^α over its n pieces."""


@dataclass(frozen=True)
class Training:
    """The loop."""

    backend: Literal["torch", "jax"] = "torch"
    """The framework to train in."""
    epochs: float = 3.0
    """Passes over the training examples."""
    batch_size: int = 32
    """Examples in a step."""
    lr: float = 5e-5
    """Peak learning rate of AdamW."""
    weight_decay: float = 0.01
    """Decoupled, on matrices alone."""
    warmup: float = 0.1
    """Share of the steps in which the rate rises."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """How the rate falls after that."""
    max_grad_norm: float = 1.0
    """Clips the dense gradients, taken as one vector; inf: does not."""
    seed: int = 0
    """Of the student's new weights, the order of the examples and dropout."""
    group_by_length: bool = False
    """Put texts of like lengths into one batch, so that little of it is padding; translations always are."""
    evaluations: int = 5
    """How often dev is scored, evenly over the run; the best of them is shipped."""
    checkpoint_every: int = 100
    """Steps between two checkpoints; 0: none."""
    threads: int = 0
    """Threads of the framework; 0: as many as it likes."""
    matmul: Literal["highest", "high", "medium"] = "highest"
    """Products of float32 matrices, as torch.set_float32_matmul_precision names them: high is TF32 on a GPU, medium what is
    fastest, bfloat16 on much hardware."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """What networks compute in while they learn: bfloat16 is PyTorch's autocast, for the hosts kd and labels. Weights, factors,
    losses, what the teacher says and what is scored stay float32."""
    device: str = "cpu"
    """cpu, cuda, cuda:1 … (PyTorch)."""


@dataclass(frozen=True)
class Config:
    """A distillation from start to end."""

    task: TaskSpec
    teacher: Teacher = field(default_factory=Teacher)
    student: Student = field(default_factory=Student)
    host: Name = "kd"
    """The method that distils."""
    kd: KD = field(default_factory=KD)
    theseus: Theseus = field(default_factory=Theseus)
    lgtm: LGTM = field(default_factory=LGTM)
    dbkd: DBKD = field(default_factory=DBKD)
    adkd: ADKD = field(default_factory=ADKD)
    translation: Translation = field(default_factory=Translation)
    opdf: Opdf = field(default_factory=Opdf)
    generator: Generator = field(default_factory=Generator)
    training: Training = field(default_factory=Training)
    out: Path = Path("runs/distill")
    """The run folder."""
    cache: Path | None = None
    """Folder of fine-tuned teachers and of their outputs, which runs can share; None: inside the run folder."""
    tensorboard: bool = False
    """Also write TensorBoard's event files, into the run folder."""
    wandb: str | None = None
    """Also report to Weights & Biases, in this project."""


def tokenizer_of(config: Config) -> str | None:
    """The task's own, or the teacher's."""
    return config.task.tokenizer or config.teacher.source


def cache_of(config: Config) -> Path:
    """The folder of what is made before the student."""
    return config.cache or config.out / "cache"


def vocabularies(config: Config) -> Path:
    """The folder of vocabularies that were learnt from train."""
    return cache_of(config) / "vocabularies"


def head_of(config: Config) -> Head:
    """A teacher that nothing here teaches the task has to know it, where its answers are what is learnt.

    Beside its inside they may be those of an encoder without a head, as in the first stage of KroneckerBERT.
    """
    by_kd = config.host == "kd"
    if config.teacher.epochs or config.host == "labels" or (by_kd and not config.kd.alpha):
        return "fresh"
    return "judged" if by_kd and _inside(config) else "needed"


def is_asked(config: Config) -> bool:
    """Whether anything is learnt of what a teacher answers, or says inside."""
    if config.host == "kd":
        return config.kd.alpha > 0 or _inside(config)
    return config.host != "labels"


def _inside(config: Config) -> bool:
    kd = config.kd
    return any((kd.hidden, kd.attention, kd.ffn, kd.embedding))
