"""The benchmark's own parts; its bounds are checked by `opdf bench`, not here, where other tests run beside it."""

import io

import numpy as np
import torch
from rich.console import Console

import tensornet as tn
from opdf.bench import ContractRow, Row, apply_table, contract_table, contractions, grids, table
from opdf.bench._apply import BATCHES, SHAPES, summary
from opdf.bench._apply import Case as ApplyCase
from opdf.bench._apply import formats as formats_of
from opdf.bench._decompose import _rearranged
from opdf.bench._published import three_sweeps
from opdf.bench._threads import threads


def test_three_sweeps_decompose_exactly():
    mpo = tn.MPO.for_shape((24, 18), cores=5)
    w = np.random.default_rng(0).standard_normal((24, 18))
    factors = three_sweeps(w, mpo)
    assert [f.shape for f in factors] == list(mpo.shapes)
    assert np.allclose(mpo.contract(factors), w, atol=1e-12)


def test_rearranged_matrix_has_the_schmidt_values():
    mpo = tn.MPO.for_shape((24, 18), cores=5)
    w = np.random.default_rng(0).standard_normal((24, 18))
    left = mpo.decompose(w)[0].reshape(-1, mpo.bonds[0])
    assert np.allclose(np.sort(np.diag(left.T @ left)), np.sort(np.linalg.svd(_rearranged(mpo, w), compute_uv=False)))


def test_a_broken_bound_shows():
    row = Row("numpy", (2, 2), "balanced", ratio=2.0, bound=1.5, error=0.0)
    assert not row.holds
    assert not Row("numpy", (2, 2), "balanced", ratio=1.0, bound=1.5, error=1e-5).holds
    assert Row("numpy", (2, 2), "balanced", ratio=1.0, bound=1.5, error=1e-7).holds
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(table([row]))
    assert "BROKEN" in console.export_text()


def test_contract_is_timed_against_its_products():
    formats = {"pair": tn.LowRank(16, 12, 3), "MPO": tn.MPO((4, 4), (4, 3), (3,))}
    rows = list(contractions(tuple(formats.items()), rounds=1, at_least=0.0))
    assert {(r.library, r.threads, r.format) for r in rows} == {
        (library, n, name) for library in ("numpy", "torch") for n in (1, 2) for name in formats
    }
    assert all(r.ratio > 0 for r in rows)
    assert all(r.with_copy == r.ratio for r in rows if r.format == "pair")  # nothing to permute
    assert all(r.with_copy < r.ratio for r in rows if r.format == "MPO")


def test_apply_is_timed_against_the_quicker_way():
    """On small shapes, one for each library and number of threads; what is measured is not judged here."""
    rows = list(grids(shapes=((64, 64),), batches=(1, 4), at_least=0.0))
    assert [(r.library, r.threads) for r in rows] == [("numpy", 1), ("numpy", 2), ("torch", 1), ("torch", 2)]
    assert all(r.cases == 2 * len(formats_of((64, 64))) for r in rows)
    assert all(0 <= r.share <= 1 <= r.worst for r in rows)


def test_the_grid_has_200_cases():
    assert len(SHAPES) * len(BATCHES) * len(formats_of(SHAPES[0])) == 200


def test_a_wrong_choice_shows():
    right = ApplyCase("pair", (4, 4), 1, "dense", {"dense": 1.05, "factored": 1.0})
    wrong = ApplyCase("pair", (4, 4), 8, "factored", {"dense": 1.0, "factored": 3.0})
    row = summary("numpy", 1, [right] * 9 + [wrong])
    assert (row.share, row.dense, row.factored, row.worst) == (0.9, 1.0, 0.9, 3.0)
    assert not row.holds
    assert summary("numpy", 1, [right]).holds
    contract = ContractRow("numpy", 1, "MPO", (4, 4), ratio=2.0, with_copy=1.0)
    for shown in (apply_table([row]), contract_table([contract])):
        console = Console(width=160, record=True, file=io.StringIO())
        console.print(shown)
        assert "lost" in console.export_text()


def test_threads_are_as_before_afterwards():
    before = torch.get_num_threads()
    with threads(1):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
