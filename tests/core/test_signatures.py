"""What callers rely on without seeing it: names, order, kinds and defaults of all public parameters.

After a change that is meant: `python tests/core/test_signatures.py > tests/core/signatures.txt`, and look at the difference.
"""

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import tensornet as tn


def signature(function) -> str:
    """Without annotations, which mypy sees to."""
    parameters = inspect.signature(function).parameters.values()
    bare = [p.replace(annotation=p.empty) for p in parameters if p.name not in ("self", "cls")]
    return str(inspect.Signature(bare))


def signatures() -> Iterator[str]:
    spaces = {"tn": tn, "tn.testing": tn.testing, "tn.formats": tn.formats, "tn.files": tn.files, "tn.cost": tn.cost}
    for prefix, space in spaces.items():
        for name, thing in sorted(vars(space).items()):
            if name.startswith("_") or not callable(thing):
                continue
            yield f"{prefix}.{name}{signature(thing) if thing is not tn.TensorNetError else ''}"
            for method, function in sorted(vars(thing).items()) if isinstance(thing, type) else ():
                function = getattr(function, "__func__", function)
                if not method.startswith("_") and inspect.isfunction(function):
                    yield f"{prefix}.{name}.{method}{signature(function)}"


def test_signatures_are_what_they_were():
    known = (Path(__file__).parent / "signatures.txt").read_text().splitlines()
    found = list(signatures())
    assert found == known, "\n".join(sorted(set(found) ^ set(known)))


def test_dataclasses_are_frozen():
    """What is static stays: plans, formats and results may be shared, hashed and kept."""
    names = (m.name for m in pkgutil.walk_packages(tn.__path__, "tensornet."))
    found = {c for n in names for c in vars(importlib.import_module(n)).values() if isinstance(c, type)}
    ours = [c for c in found if dataclasses.is_dataclass(c) and c.__module__.startswith("tensornet.")]
    assert len(ours) > 20
    assert not [c.__name__ for c in ours if not c.__dataclass_params__.frozen]


if __name__ == "__main__":
    print("\n".join(signatures()))
