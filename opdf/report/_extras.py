"""Packages that only those who ask for them need."""

import importlib
from types import ModuleType

from tensornet import TensorNetError


def needed(module: str, tool: str) -> ModuleType:
    """The module, or an error that says which extra brings it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name != package:
            raise
        raise TensorNetError(
            f"{tool}: the package {package} is not installed; needed to report to {tool}, because it writes in its own format; "
            f"pip install 'opdf[track]', or leave {package} out of the configuration"
        ) from error
