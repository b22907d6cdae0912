"""The law of files: what is read is what was written, to the bit."""

import tempfile
from pathlib import Path
from typing import Literal

from array_api_compat import is_jax_array, is_torch_array

from ..files import load, save
from ._case import Case
from ._law import require
from ._measure import equal


def keep_every_bit(case: Case) -> None:
    """Saved, loaded and saved again: equal formats, factors and bytes; for a stack as well."""
    alone = case.factors()
    framework: Literal["numpy", "torch", "jax"]
    framework = "torch" if is_torch_array(alone[0]) else "jax" if is_jax_array(alone[0]) else "numpy"
    weights = {"a.weight": (case.fmt, alone), "b": (case.fmt, case.factors(2))}
    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder, "first"), Path(folder, "second")
        save(first, weights)
        loaded = load(first, framework=framework)
        save(second, loaded)
        require(first.read_bytes() == second.read_bytes(), "a file saved again differs", "the same bytes")
    require(list(loaded) == list(weights), f"the file names {list(loaded)}", f"{list(weights)}")
    for name, (fmt, factors) in weights.items():
        require(loaded[name][0] == fmt, f"{name} comes back as {loaded[name][0]!r}", f"{fmt!r}")
        for got, want in zip(loaded[name][1], factors, strict=True):
            back = case.xp.asarray(got, device=case.device)
            require(back.dtype == want.dtype, f"{name} comes back as {back.dtype}", f"{want.dtype}")
            require(equal(back, want), f"{name} comes back with other entries", "the same bits")
