"""What a result was made with."""

import platform
import sys
from importlib.metadata import version

PACKAGES = ("torch", "transformers", "tokenizers", "sacrebleu", "jax", "optax", "numpy")


def versions() -> dict[str, str]:
    """Package → version, of Python, opdf and what this process has loaded of the frameworks."""
    return {"python": platform.python_version()} | {p: version(p) for p in ("opdf", *PACKAGES) if p in sys.modules}
