"""docs/pytorch.md has exactly the rows that tests here have, all of them passed."""

import ast
from pathlib import Path

import pytest
from interplay.table import BEGIN, END, PAGE, Results, Row, parts, written


def rows_of_the_tests():
    """Name and limit of each `@pytest.mark.row`, in the order in which pytest runs the files."""
    found = {}
    for file in sorted(Path(__file__).parent.glob("test_*.py")):
        for node in ast.parse(file.read_text()).body:
            for mark in node.decorator_list if isinstance(node, ast.FunctionDef) else []:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.row":
                    limit = "".join(ast.literal_eval(k.value) for k in mark.keywords)
                    name = ast.literal_eval(mark.args[0])
                    found.setdefault(name, Row(name, limit, "passed"))
    return list(found.values())


def test_the_page_lists_the_rows_that_there_are_tests_for():
    rows = rows_of_the_tests()
    assert len(rows) > 30
    assert parts(PAGE.read_text())[1] == [str(r) for r in rows], "run `make interplay`"


def report(name, outcome, when="call"):
    return pytest.TestReport(name, ("", 0, ""), {}, outcome, None, when)


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        (["passed", "passed"], "passed"),
        (["failed", "passed"], "**failed**"),
        (["passed", "failed"], "**failed**"),
        (["skipped", "passed"], "**skipped**"),
    ],
)
def test_a_row_is_as_its_worst_test(outcomes, said):
    results, row = Results(), Row("HF", "none")
    results.rows, results._of = {"HF": row}, {"0": row, "1": row}
    for name, outcome in enumerate(outcomes):
        results.pytest_runtest_logreport(report(str(name), "passed", "setup"))
        results.pytest_runtest_logreport(report(str(name), outcome))
    page = written(f"before {BEGIN} old {END} after", list(results.rows.values()))
    assert parts(page) == ("before ", [f"| HF | {said} | none |"], " after")
    assert "old" not in page


def test_a_row_whose_fixture_fails_has_failed():
    results, row = Results(), Row("HF", "")
    results.rows, results._of = {"HF": row}, {"0": row}
    results.pytest_runtest_logreport(report("0", "failed", "setup"))
    assert results.rows["HF"].outcome == "**failed**"
