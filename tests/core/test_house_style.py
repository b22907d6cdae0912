"""Sizes of the source, as the house style wants them: no file over 300 lines, no function body over 60."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = sorted(p for folder in ("tensornet", "adapters", "opdf") for p in (ROOT / folder).rglob("*.py"))
LINES, BODY = 300, 60


def long_bodies(text: str) -> list[str]:
    """Functions whose body, without the docstring, is over BODY lines."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            if body and (length := body[-1].end_lineno - body[0].lineno + 1) > BODY:
                found.append(f"{node.name} ({length} lines)")
    return found


def test_files_are_small():
    long = {str(p.relative_to(ROOT)): n for p in SOURCE if (n := len(p.read_text().splitlines())) > LINES}
    assert not long, f"split these by concept: {long}"


def test_functions_are_short():
    long = {str(p.relative_to(ROOT)): found for p in SOURCE if (found := long_bodies(p.read_text()))}
    assert not long, f"give the parts of these names: {long}"


def test_there_is_something_to_measure():
    assert len(SOURCE) > 30


def test_a_long_body_is_found():
    body = "\n".join(["    x = 1"] * (BODY + 1))
    assert long_bodies(f"def f():\n{body}") == [f"f ({BODY + 1} lines)"]
    docstring = "line\n" * 99
    assert not long_bodies(f'def f():\n    """{docstring}"""\n    return 1')
