"""Every configuration in examples/ is one: read, checked, and each sweep's arms with it."""

from pathlib import Path

import pytest

from opdf.distill import read
from opdf.distill._check import check
from opdf.sweep import read as read_sweep

EXAMPLES = Path(__file__).parents[2] / "examples"
SOURCE = {"teacher.source": "encoder"}


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda p: p.stem)
def test_runs(path):
    text = not path.stem.startswith(("fashion", "multi30k"))
    check(read(path, SOURCE if text else {}))


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*/*.toml")), ids=lambda p: p.stem)
def test_sweeps(path, tmp_path):
    made, _ = read_sweep(path, tmp_path)
    assert made.seeds >= 3
    assert len(made.arms) >= 4
    assert all(arm.points for arm in made.arms)
