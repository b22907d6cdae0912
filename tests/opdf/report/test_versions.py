"""What a result was made with."""

import platform
import sys

import torch

from opdf.report import versions


def test_of_python_and_what_is_loaded(monkeypatch):
    monkeypatch.delitem(sys.modules, "jax", raising=False)
    found = versions()
    assert found["python"] == platform.python_version()
    assert found["torch"] == torch.__version__
    assert "opdf" in found
    assert "jax" not in found, "not loaded, so that nothing was made with it"
