"""Libraries that nobody here wrote, as fixtures: `pip install 'opdf[oracles]'` brings them."""

import importlib
import warnings

import numpy as np
import pytest


@pytest.fixture(scope="session")
def tensorly():
    module = importlib.import_module("tensorly")
    importlib.import_module("tensorly.decomposition")
    return module


@pytest.fixture(scope="session")
def torchtt():
    """Tells at import that its compiled part is not there, which these tests do not need."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"[\s\S]*C\+\+ implementation not available", category=UserWarning)
        return importlib.import_module("torchtt")


@pytest.fixture(scope="session")
def quimb():
    return importlib.import_module("quimb.tensor")


@pytest.fixture(params=range(3))
def rng(request):
    return np.random.default_rng(request.param)
