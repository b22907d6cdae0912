"""docs/pytorch.md says which tool works: `python tests/interplay/table.py` runs the tests and writes what they found.

A test of a row carries `@pytest.mark.row("what a user has", limit="what it does not do")`; tests that share a row are one.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
PAGE = FOLDER.parents[1] / "docs" / "pytorch.md"
BEGIN, END = "<!-- rows of tests/interplay, written by `make interplay` -->", "<!-- end of rows -->"


@dataclass(frozen=True)
class Row:
    """One line of the table; `outcome` is None before its test has run."""

    name: str
    limit: str
    outcome: str | None = None

    def __str__(self) -> str:
        return f"| {self.name} | {self.outcome} | {self.limit or '–'} |"


class Results:
    """A pytest plugin: the row of each test that has one, in the order of the tests, and what became of it."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self._of: dict[str, Row] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        self._of = {i.nodeid: row for i in items if (row := marked(i.iter_markers("row")))}
        for row in self._of.values():
            self.rows.setdefault(row.name, row)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        row = self._of.get(report.nodeid)
        if row is None or (report.passed and report.when != "call"):
            return
        outcome = report.outcome if report.passed else f"**{report.outcome}**"
        before = self.rows[row.name].outcome
        self.rows[row.name] = Row(row.name, row.limit, outcome if before in (None, "passed") else before)


def marked(marks: Iterator[pytest.Mark]) -> Row | None:
    """The row that a test's marks name."""
    mark = next(iter(marks), None)
    return mark and Row(*mark.args, mark.kwargs.get("limit", ""))


def parts(page: str) -> tuple[str, list[str], str]:
    """What stands before the rows, the lines of the rows, and what stands after."""
    before, rest = page.split(BEGIN)
    between, after = rest.split(END)
    lines = [line for line in between.splitlines() if line.startswith("| ")]
    return before, lines[1:], after  # the first is the head of the table


def written(page: str, rows: list[Row]) -> str:
    """The page with these rows in the place of its own."""
    before, _, after = parts(page)
    table = "\n".join(["| with this | the test | limits |", "|---|---|---|", *map(str, rows)])
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"


def main() -> int:
    results = Results()
    code = pytest.main([str(FOLDER), f"--ignore={FOLDER / 'test_table.py'}", *sys.argv[1:]], plugins=[results])
    if not results.rows or any(row.outcome is None for row in results.rows.values()):  # none: xdist's workers have them
        print("docs/pytorch.md stays as it was: not every test of a row has run", file=sys.stderr)
        return int(code) or 1
    PAGE.write_text(written(PAGE.read_text(), list(results.rows.values())))
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
