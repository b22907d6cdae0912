"""The picture says what the format says: every factor, every index above 1, every step and its share."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given
from strategies import formats

import tensornet as tn
from tensornet import draw

SVG = "{http://www.w3.org/2000/svg}"


def texts(fmt) -> list[str]:
    return [t.text for t in ET.fromstring(draw(fmt)).iter(f"{SVG}text")]


@given(fmt=formats())
def test_any_format_is_drawn(fmt):
    found = texts(fmt)
    assert [t for t in found if t.startswith("T") and "·" not in t] == [f"T{k}" for k in range(len(fmt.shapes))]
    for _, size in fmt.network.sizes:
        assert size == 1 or str(size) in found
    assert len([t for t in found if "→" in t]) == len(fmt.path.steps)


def test_shares_are_of_the_operations():
    fmt = tn.MPO((8, 6, 4), (4, 4, 4), (16, 8))
    shares = [float(t.split(", ")[1].rstrip("%")) for t in texts(fmt) if t.endswith("%")]
    want = [100 * s.forward.flops / fmt.path.flops for s in fmt.path.steps]
    assert shares == pytest.approx(want, abs=0.51)
    bars = [float(r.get("width")) for r in ET.fromstring(draw(fmt)).iter(f"{SVG}rect") if r.get("height") == "11"]
    assert bars[0] / bars[1] == pytest.approx(want[0] / want[1], rel=0.02)


def test_nothing_leaves_the_picture():
    root = ET.fromstring(draw(tn.MPO.for_shape((3072, 768), cores=5)))
    width, height = float(root.get("width")), float(root.get("height"))
    for node in root.iter(f"{SVG}text"):
        assert 0 <= float(node.get("x")) <= width
        assert 0 <= float(node.get("y")) <= height


DRAWINGS = Path(__file__).parent / "drawings"
DRAWN = {
    "mpo": tn.MPO((8, 1, 4), (4, 1, 6), (12, 12)),
    "cp": tn.CP((4,), (3,), 5, (2, 2)),
    "ring": tn.TensorRing((4, 4, 4), (4, 4, 4), 4, (4, 4)),
    "block_tensor_train": tn.BlockTensorTrain((4, 3), (2, 5), 2),
}


@pytest.mark.parametrize(("name", "fmt"), DRAWN.items(), ids=DRAWN)
def test_looked_at_and_found_good(name, fmt):
    """A bond, an arc, an index in four factors, one in both factors and the rows: each as somebody has seen it."""
    assert draw(fmt) + "\n" == (DRAWINGS / f"{name}.svg").read_text()
