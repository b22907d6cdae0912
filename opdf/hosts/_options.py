"""What each host can be told; a section of the configuration each. No framework is loaded to read it."""

from dataclasses import dataclass
from typing import Literal

Name = Literal["labels", "kd", "theseus", "lgtm", "dbkd", "adkd"]


@dataclass(frozen=True)
class KD:
    """Plain distillation: α τ² KL(teacher ‖ student) + (1 − α) cross-entropy, and what the teacher's inside adds."""

    alpha: float = 0.5
    """Share of the teacher's answers in the loss, the rest is the labels'."""
    temperature: float = 2.0
    """τ of the softened answers."""
    decoupled: bool = False
    """DKD in place of Hinton's loss, with beta on the classes that are not the label."""
    beta: float = 8.0
    """Weight of DKD's non-target part."""
    hidden: float = 0.0
    """Weight of the mean-squared error of hidden states, a mean over layers."""
    attention: float = 0.0
    """Weight of the mean-squared error of attention scores before the softmax, a mean over layers."""
    ffn: float = 0.0
    """Weight of the mean-squared error of what feed-forward parts say, before residual and norm, a mean over layers."""
    embedding: float = 0.0
    """Weight of the mean-squared error of the embeddings' output."""
    weights: float = 0.0
    """Weight of the mean-squared error of each weight to its teacher's: a control without tensors, in place of L_Aux."""
    weights_outside: bool = False
    """Compare linear weights outside the layers too, by name."""


@dataclass(frozen=True)
class Theseus:
    """BERT-of-Theseus: groups of the teacher's layers are replaced by the student's, at random and ever more often."""

    replacing_rate: float = 0.5
    """Probability that a group is replaced, at the first step."""
    steady: float = 0.5
    """Share of the steps, the last ones, in which the student runs alone; before them the rate rises linearly to 1."""


@dataclass(frozen=True)
class LGTM:
    """Learning Good Teacher Matters: the teacher learns too, weighted by what helps the student on held-out examples."""

    alpha: float = 0.5
    """Share of the teacher's answers in the student's loss."""
    teacher_alpha: float = 0.4
    """Share of the student's answers in the teacher's loss."""
    temperature: float = 1.0
    """τ of the softened answers."""
    teacher_lr: float = 3e-5
    """The teacher's learning rate at the first step; it falls linearly to 0."""
    influence: float = 1.0
    """Weight of the distillation influence in the teacher's loss."""
    held_out: float = 0.1
    """Share of the training examples that only the influence is measured on; never of dev or test."""


@dataclass(frozen=True)
class DBKD:
    """Decision-based distillation: the teacher gives labels alone; its logits are estimated from decisions under noise."""

    alpha: float = 0.5
    """Share of the estimated answers in the loss."""
    temperature: float = 2.0
    """τ of the softened answers."""
    samples: int = 10
    """Decisions on each example: one on itself, the others on perturbed copies."""
    noise: float = 0.1
    """How strongly a copy is perturbed: text, the share of its tokens masked; images, the noise's standard deviation."""
    sigma: float = 1.0
    """What the logits' standard deviation under that noise is taken to be: the estimates are in units of it."""
    seed: int = 0
    """Of the perturbations, the same for all students."""


@dataclass(frozen=True)
class ADKD:
    """Attribution-driven distillation: the student is to owe its answer to the same tokens as its teacher."""

    alpha: float = 0.5
    """Share of the teacher's answers in the loss."""
    temperature: float = 2.0
    """τ of the softened answers."""
    beta: float = 10.0
    """Weight of the attribution loss."""
    steps: int = 1
    """Points of the path over which gradients are integrated."""
    top: int | None = None
    """Dimensions of a token's embedding, the teacher's strongest, that its attribution is the norm of; None: all."""
