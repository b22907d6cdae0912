"""What `opdf bench --parts inference` times does what it says; its bounds are judged by the command alone."""

import io

import pytest
from rich.console import Console

import tensornet as tn
from opdf.bench import InferenceRow, inference, inference_table
from opdf.bench._inference import LAYERS


def test_layers_are_those_of_the_paper():
    """Of BERT-base's sizes, with the parameters that 21 × takes: 5.2 M with embeddings of (48 columns) ⊗ (1, 16)."""
    (_, attention), (_, first), (_, second) = LAYERS
    assert [f.shape for _, f in LAYERS] == [(768, 768), (3072, 768), (768, 3072)]
    assert all(f.terms == 1 for _, f in LAYERS)
    encoder = 12 * (4 * attention.num_params + first.num_params + second.num_params)
    vectors = 12 * (4 * 768 + 3072 + 768 + 4 * 768) + 2 * 768
    embeddings = 30522 * 48 + 16 + (512 + 2) * 768
    assert encoder + vectors + embeddings + 768 * 768 + 768 == pytest.approx(5.23e6, rel=0.02)


def test_rows_of_one_run():
    rows = list(inference([("small", tn.Kronecker((4, 3), (2, 4), terms=1))], tokens=(1, 3), at_least=0.0))
    assert [(r.threads, r.tokens) for r in rows] == [(1, 1), (1, 3), (2, 1), (2, 3)]
    assert all(r.ratio > 0 and r.error < 1e-6 and r.shape == (8, 12) for r in rows)


def test_a_slower_or_another_layer_shows():
    rows = [
        InferenceRow("attention", (8, 8), 1, 1, ratio, error)
        for ratio, error in ((0.5, 1e-7), (1.1, 1e-7), (0.5, 1e-3))
    ]
    assert [r.holds for r in rows] == [True, False, False]
    assert rows[0].as_dict()["holds"] is True
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(inference_table(rows))
    text = console.export_text()
    assert (text.count("kept"), text.count("lost")) == (1, 2)
