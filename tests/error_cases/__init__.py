"""What each TensorNetError of the core is raised by: CASES of each module here, name → (attempt, message)."""

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any


def cases() -> dict[str, tuple[Callable[[], Any], str]]:
    """All cases, by module and name."""
    modules = sorted(m.name for m in pkgutil.iter_modules(__path__))
    found = {m: importlib.import_module(f"{__name__}.{m}").CASES for m in modules}
    return {f"{module}: {name}": case for module, named in found.items() for name, case in named.items()}
