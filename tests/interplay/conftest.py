"""Nothing is looked up on a network, and no process-wide state of Accelerate is left behind."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before a Hugging Face library is loaded, because it reads it then

import pytest


@pytest.fixture(autouse=True)
def _forget_accelerator():
    """Accelerate keeps one precision for the whole process; the next test may want another."""
    yield
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
