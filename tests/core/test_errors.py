"""Every TensorNetError of the core: one case for each place that makes one, and a test that none is left out."""

import ast
import sys
from pathlib import Path

import array_api_strict as strict
import pytest
from error_cases import cases

import tensornet as tn

SOURCE = Path(tn.__file__).parent
CASES = cases()


@pytest.mark.parametrize(("attempt", "message"), CASES.values(), ids=CASES)
def test_error(attempt, message):
    with pytest.raises(tn.TensorNetError, match=message) as caught:
        attempt()
    assert ";" in str(caught.value)  # what is wrong; what to do


def test_every_message_has_a_case(monkeypatch):
    """Run all cases and see which lines made an error: none of the source may be left over."""
    made = set()

    def record(self, *args):
        caller = sys._getframe(1)
        made.add((Path(caller.f_code.co_filename), caller.f_lineno))
        ValueError.__init__(self, *args)

    monkeypatch.setattr(tn.TensorNetError, "__init__", record, raising=False)
    for attempt, _ in CASES.values():
        with pytest.raises(tn.TensorNetError):
            attempt()
    left_over = [
        f"{path.relative_to(SOURCE)}:{first}"
        for path, first, last in places()
        if not any(where == path and first <= line <= last for where, line in made)
    ]
    assert not left_over, f"no case makes the error of {', '.join(left_over)}"


def places() -> list[tuple[Path, int, int]]:
    """(file, first line, last line) of each call of TensorNetError."""
    return [
        (path, node.lineno, node.end_lineno or node.lineno)
        for path in sorted(SOURCE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "TensorNetError"
    ]


def test_the_places_are_found():
    assert len(places()) > 40


def test_errors_are_value_errors_of_one_class():
    assert issubclass(tn.TensorNetError, ValueError)
    with pytest.raises(tn.TensorNetError):
        tn.LowRank(4, 6).decompose(strict.ones((4, 6), dtype=strict.int64))
