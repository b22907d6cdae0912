"""The comparison with other libraries: that it compares the same work, and says so where we lose."""

import io
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

import tensornet as tn
from opdf.bench._peer_calls import EPS, MAX_BOND, error, others
from opdf.bench._peers import ROUNDOFF, PeerRow, _array, full_spectrum, peer_table, peers

SMALL = (tn.MPO((4, 4, 4), (4, 4, 4)), tn.MPO((4, 3, 4), (4, 6, 4)))
ROW = PeerRow(1, "TensorLy", "max_bond", (4, 4), 2.0, our_error=0.1, their_error=0.1, our_params=8, their_params=8)


@pytest.fixture(scope="module")
def rows():
    return peers(SMALL, threads=(1,), rounds=1)


def test_every_peer_has_a_row_for_every_task_it_knows(rows):
    tasks = {p.name: set(p.calls) for p in others()}
    assert tasks["TensorLy"] == {"lossless", "isometries", "max_bond"}  # it takes ranks, no errors
    for name, known in tasks.items():
        for fmt in SMALL:
            assert {r.task for r in rows if r.peer == name and r.shape == fmt.shape} == known


def test_both_sides_do_what_was_asked(rows):
    for r in rows:
        assert r.equal, r
        if r.task in ("lossless", "isometries"):
            assert max(r.our_error, r.their_error) <= ROUNDOFF
        elif r.task == "eps":
            assert max(r.our_error, r.their_error) <= EPS
            assert min(r.our_error, r.their_error) > EPS / 10
        assert r.ratio > 0


@pytest.mark.parametrize("fmt", SMALL, ids=str)
def test_factors_of_peers_are_read_as_they_are_meant(fmt):
    """Their own dense matrix is not asked: full bonds must give W through our contraction."""
    w = full_spectrum(fmt)
    for peer in others():
        factors = peer.calls["lossless"](fmt, _array(peer.library, w))
        assert error(fmt, w, factors) <= ROUNDOFF
        assert error(fmt, w + np.float32(0.01) * w[::-1], factors) > 1e-3
        capped = peer.calls["max_bond"](fmt, _array(peer.library, w))
        assert max(f.shape[-1] for f in capped) <= MAX_BOND


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, "yes"),
        ({"ratio": 0.9}, "no"),
        ({"our_error": 0.2}, "no: unequal"),
        ({"task": "eps", "our_error": 0.2}, "yes"),
        ({"task": "eps", "our_params": 9}, "no: unequal"),
    ],
)
def test_the_table_says_where_we_lose(change, says):
    row = replace(ROW, **change)
    assert row.faster == (says == "yes")
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(peer_table([row]))
    assert console.export_text().splitlines()[-1].rstrip().endswith(says)


@pytest.mark.parametrize("missing", ["tensorly", "torchtt", "quimb"])
def test_a_missing_peer_is_one_line(missing):
    code = f"import sys; sys.modules[{missing!r}] = None; sys.argv = ['opdf', 'bench', '--parts', 'peers']\n"
    code += "from opdf.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"this needs {missing}, which is not installed; pip install 'opdf[oracles]'" in done.stderr
