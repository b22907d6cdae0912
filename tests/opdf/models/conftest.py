"""A task of texts, one of images, and folders of tiny encoders."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before a Hugging Face library is loaded, because it reads it then

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, AutoModelForSequenceClassification

from opdf.tasks import Examples, Task

SIZES = {"vocab_size": 60, "hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "pad_token_id": 0}


@pytest.fixture(scope="session")
def texts():
    """Builds a task of texts with ids below `ids`."""

    def build(classes=3, ids=60, names=("no", "maybe", "yes"), length=7):
        rng = np.random.default_rng(0)
        rows = [rng.integers(1, ids, n) for n in (length, 3, 5, 4)]
        rows[0][0] = ids - 1
        examples = Examples({"input_ids": rows, "token_type_ids": [np.zeros_like(r) for r in rows]}, np.zeros(4))
        return Task("tiny", "text", classes, names[:classes], ("accuracy",), examples, examples, examples, "")

    return build


@pytest.fixture(scope="session")
def images():
    """A task of 32 images of two classes, each of which lightens another half."""
    rng = np.random.default_rng(0)
    labels = np.arange(32) % 2
    pixels = rng.normal(size=(32, 8, 8)).astype(np.float32)
    pixels[labels == 1, :, :4] += 1
    examples = Examples({"pixels": pixels}, labels)
    return Task("tiny", "images", 2, ("left", "right"), ("accuracy",), examples, examples, examples, "")


@pytest.fixture
def encoder(tmp_path):
    """Writes the folder of a tiny encoder with 4 layers."""

    def write(kind="bert", head="classifier", **changes):
        sizes = SIZES | {"num_hidden_layers": 4, "max_position_embeddings": 16, "type_vocab_size": 2, "num_labels": 3}
        config = AutoConfig.for_model(kind, **(sizes | changes))
        classes = {"classifier": AutoModelForSequenceClassification, "mlm": AutoModelForMaskedLM, "none": AutoModel}
        torch.manual_seed(0)
        model = classes[head].from_config(config)
        folder = tmp_path / f"{kind}_{head}"
        model.save_pretrained(folder)
        return folder

    return write


@pytest.fixture(scope="session")
def batch():
    """All training examples of a task, as inputs of a model."""
    return lambda task: {k: torch.from_numpy(v) for k, v in task.train.batch(np.arange(len(task.train))).items()}
