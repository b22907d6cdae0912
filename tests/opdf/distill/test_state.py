"""Checkpoints: nested state, to the bit, and nothing but them."""

import numpy as np
import pytest

from opdf.distill import _state
from tensornet import TensorNetError


def test_state_comes_back_to_the_bit(tmp_path):
    array = np.array([[1.0, np.nan], [-0.0, 5e-324]])
    state = {
        "a": {0: array, "1": [1, 2.5, None, True, "text"], "2": (1, (2,), [])},
        "scalar": np.float32(0.1) * np.ones(()),
        "empty": {},
        "strided": np.arange(12).reshape(3, 4).T,
        "bytes": np.frombuffer(b"abc", np.uint8),
        "number": 0.1 + 0.2,
        "none": np.zeros((0, 3), np.float32),
    }
    _state.write(tmp_path / "x", state)
    found = _state.read(tmp_path / "x")
    assert found["a"][0].tobytes() == array.tobytes()
    assert found["a"]["1"] == [1, 2.5, None, True, "text"]
    assert found["a"]["2"] == (1, (2,), [])
    assert found["number"] == 0.1 + 0.2
    assert found["scalar"].shape == ()
    assert found["none"].shape == (0, 3)
    assert np.array_equal(found["strided"], state["strided"])
    assert found.keys() == state.keys()


def test_what_is_no_state_is_refused(tmp_path):
    path = tmp_path / "x"
    _state.write(path, {"a": np.ones(1000)})
    path.write_bytes(path.read_bytes()[:200])
    for bad in (path, tmp_path / "absent"):
        with pytest.raises(TensorNetError, match="cannot be read"):
            _state.read(bad)
    with pytest.raises(TypeError, match="a set in the state"):
        _state.write(path, {"a": {1}})
