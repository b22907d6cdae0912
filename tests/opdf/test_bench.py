"""The benchmark's own parts; its bounds are checked by `opdf bench`, not here, where other tests run beside it."""

import io

import numpy as np
from rich.console import Console

import tensornet as tn
from opdf.bench import Row, table
from opdf.bench._decompose import _rearranged
from opdf.bench._published import three_sweeps


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
