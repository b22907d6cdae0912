"""Run tests against one mutant in a forked process: libraries are loaded once, the core anew for each mutant."""

import contextlib
import importlib.abc
import importlib.util
import os
import signal
import sys
from pathlib import Path
from typing import Any

from mutants import ROOT, Mutant

SURVIVED = 0
QUIET = [
    "-q",
    "-p",
    "no:cacheprovider",
    "-W",
    "ignore::pytest.PytestAssertRewriteWarning",
]  # of libraries loaded already


class Replaced(importlib.abc.MetaPathFinder, importlib.abc.SourceLoader):
    """Loads one module from the mutated source; nothing is written to disk."""

    def __init__(self, mutant: Mutant) -> None:
        self.path, self.source = str(ROOT / mutant.file), mutant.source()
        parts = Path(mutant.file).with_suffix("").parts
        self.name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != self.name:
            return None
        is_package = self.path.endswith("__init__.py")
        places = [str(Path(self.path).parent)] if is_package else None
        return importlib.util.spec_from_file_location(name, self.path, loader=self, submodule_search_locations=places)

    def get_filename(self, fullname: str) -> str:
        return self.path

    def get_data(self, path: str) -> bytes:
        return self.source.encode()

    def get_code(self, fullname: str) -> Any:
        return compile(self.source, self.path, "exec")


def start(mutant: Mutant, tests: list[str], seconds: float) -> int:
    """The process that tests this mutant; its exit status is 0 if the mutant survives."""
    pid = os.fork()
    if pid == 0:
        code = 1
        with contextlib.suppress(BaseException):  # a mutant that breaks pytest itself is killed as well
            code = _test(mutant, tests, seconds)
        os._exit(code)
    return pid


def _test(mutant: Mutant, tests: list[str], seconds: float) -> int:
    import pytest

    # An endless loop is found out, by its own seconds and not by those of a busy machine: the default action ends the process.
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    sys.meta_path.insert(0, Replaced(mutant))
    return int(pytest.main(["-x", *QUIET, "-p", "no:xdist", *tests]))


def finished() -> tuple[int, str]:
    """Wait for any process: its number, and the fate of its mutant."""
    pid, status = os.wait()
    code = os.waitstatus_to_exitcode(status)
    return pid, "survived" if code == SURVIVED else "timed out" if code == -signal.SIGPROF else "killed"
