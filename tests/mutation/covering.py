"""Which tests run which line, and how long each takes (of a processor): measured once, test by test, in this process."""

import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import coverage
import pytest
from pool import QUIET

ROOT = Path(__file__).parents[2]


class Watch:
    """A pytest plugin that notes for each passed test its seconds and the lines of the core that it ran."""

    def __init__(self, monitor: coverage.Coverage) -> None:
        self.monitor, self.seconds = monitor, {}

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: Any) -> Any:
        self.monitor.switch_context(item.nodeid)
        begin = time.process_time()
        yield
        self.seconds[item.nodeid] = time.process_time() - begin


def covering(arguments: list[str]) -> tuple[dict[tuple[str, int], list[str]], dict[str, float]]:
    """(file, line) → tests that run it, the quickest first; and the seconds of each test."""
    monitor = coverage.Coverage(data_file=None, source=["tensornet"])
    watch = Watch(monitor)
    monitor.start()
    status = pytest.main([*arguments, *QUIET], plugins=[watch])
    monitor.stop()
    if status != 0:
        raise SystemExit("the tests fail without any mutant; mend them first")
    data, lines = monitor.get_data(), defaultdict(list)
    for file in data.measured_files():
        name = str(Path(file).relative_to(ROOT))
        for line, tests in data.contexts_by_lineno(file).items():
            lines[name, line] = sorted((t for t in tests if t in watch.seconds), key=watch.seconds.__getitem__)
    return lines, watch.seconds
