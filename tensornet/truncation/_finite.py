"""NaN and Inf, refused by name before a factorisation spreads them, or gives a rank and no error."""

import sys
from collections.abc import Mapping

from .._arrays import Array, is_torch_array, namespace
from .._errors import TensorNetError


def refuse_nonfinite_parts(who: str, parts: Mapping[str, Array]) -> None:
    """Refuse NaN and Inf in any of `parts`. Traced ones have no values to look at, and are left as they are."""
    for name, x in parts.items():
        xp = namespace(x)
        if is_torch_array(x) and sys.modules["torch"].compiler.is_compiling():
            return  # a look would break the graph
        finite = xp.isfinite(x)
        try:
            good = bool(xp.all(finite))
        except (TypeError, RuntimeError):  # in jit or vmap
            return
        if not good:
            raise TensorNetError(
                f"{who}: {name} of shape {tuple(x.shape)} has {int(xp.sum(xp.astype(~finite, xp.int32)))} NaN or Inf entries, "
                f"needed numbers, because one of them spreads over every factor; repair the weight (a diverged checkpoint?)"
            )
