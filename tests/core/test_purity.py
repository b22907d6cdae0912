"""`import tensornet` loads no array library, `adapters/` stays a folder, and both checks can fail."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tensornet

ROOT = Path(__file__).parents[2]
PACKAGE = Path(tensornet.__file__).parent
FOREIGN = ("numpy", "torch", "jax", "opt_einsum", "scipy", "array_api_strict")


def loaded(folder: Path, statement: str = "import tensornet") -> set[str]:
    """The foreign packages that `statement` loads in a fresh interpreter, with tensornet taken from `folder`."""
    code = f"import sys; sys.path.insert(0, {str(folder)!r}); {statement}; print(tensornet.__file__, *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder)
    file, *modules = done.stdout.split()
    assert Path(file).is_relative_to(folder)
    return set(FOREIGN) & set(modules)


def test_import_loads_no_array_library():
    assert loaded(PACKAGE.parent) == set()


def test_formats_and_plans_need_no_array_library():
    assert loaded(PACKAGE.parent, "import tensornet; tensornet.plan({'a': (4, 6)})['a'].num_params") == set()


@pytest.mark.parametrize("planted", ["import numpy", "from torch import Tensor", "import jax.numpy as jnp"])
@pytest.mark.parametrize("file", ["_path.py", "testing/_laws.py"])
def test_a_planted_import_is_caught(planted, file, tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "tensornet", ignore=shutil.ignore_patterns("__pycache__"))
    target = tmp_path / "tensornet" / file
    target.write_text(f"{planted}\n{target.read_text()}")
    assert loaded(tmp_path) >= {planted.split()[1].partition(".")[0]}


def test_adapters_is_no_package():
    """AdapterHub's distribution imports as `adapters`: an __init__.py here would shadow it."""
    assert (ROOT / "adapters").is_dir()
    assert not (ROOT / "adapters" / "__init__.py").exists()


def test_the_tests_folder_does_not_shadow_the_package():
    """pytest puts tests/ on the path: tests/core, once tests/tensornet, must never become a package."""
    assert not (ROOT / "tests" / "tensornet" / "__init__.py").exists()
    assert PACKAGE == ROOT / "tensornet"
