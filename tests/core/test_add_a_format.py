"""docs/add-a-format.md keeps its promise: a format in under 40 lines, that passes every law in every library."""

import ast
import doctest
import re
from pathlib import Path

import pytest
from libraries import BY_NAME

import tensornet as tn
from tensornet.testing._law import Law

PAGE = Path(__file__).parents[2] / "docs" / "add-a-format.md"
LINES = 40


def examples() -> list[str]:
    return [e.source for e in doctest.DocTestParser().get_examples(PAGE.read_text())]


def code_lines(source: str) -> int:
    """Lines that are neither empty nor a comment."""
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in source.splitlines())


def the_file() -> str:
    """Everything up to the first format that is made: imports and the class."""
    upto = []
    for source in examples():
        upto.append(source)
        if "class " in source:
            return "".join(upto)
    raise AssertionError("the page defines no class")


def test_the_example_is_short():
    assert 10 < code_lines(the_file()) < LINES


def test_lines_are_counted():
    assert code_lines("import a\n\n# why\nclass B:\n    x = 1  # this\n") == 3


def test_the_lines_are_no_longer_than_ours():
    """40 lines of 300 characters would be no promise."""
    assert max(len(line) for line in the_file().splitlines()) <= 120


def test_the_example_uses_public_names_only():
    private = [
        n.attr for n in ast.walk(ast.parse(the_file())) if isinstance(n, ast.Attribute) and n.attr.startswith("_")
    ]
    imports = re.findall(r"^(?:from|import) (\S+)", the_file(), re.MULTILINE)
    assert not private
    assert not [m for m in imports if "._" in m]


@pytest.fixture(scope="module")
def lokr():
    """The class of the page, under a name of its own, since another module of this process may run the page."""
    names: dict = {"__name__": __name__}
    exec(the_file().replace('"lokr"', '"lokr_of_the_page"'), names)
    return names["LoKr"]


@pytest.mark.parametrize("library", ["strict", "numpy", "torch"])
@pytest.mark.parametrize(
    "sizes", [((4, 2), (3, 5), 2), ((1, 2), (3, 1), 1), ((2, 2), (2, 2), 2), ((1, 1), (1, 1), 1)], ids=str
)
def test_the_example_keeps_every_law(lokr, sizes, library):
    assert len(tn.testing.check_format(lokr(*sizes), xp=BY_NAME[library].xp)) == len(tn.testing.LAWS)


def test_the_example_takes_budgets(lokr):
    assert lokr.for_shape((12, 10)).rank == 3
    assert lokr.for_shape((12, 10), rank=99) == lokr.for_shape((12, 10))
    assert lokr.for_shape((12, 10), num_params=20).num_params <= 20
    assert lokr.for_shape((12, 10), scale=0.2).scale <= 0.2
    with pytest.raises(tn.TensorNetError, match="does not split"):
        lokr.for_shape((13, 10))


def test_only_the_laws_asked_for_are_run():
    names = tn.testing.laws()[3:5]
    assert tuple(tn.testing.check_format(tn.LowRank(2, 2), only=names)) == names


@pytest.mark.parametrize("let_off", ["float32", "complex64"])
def test_a_law_that_holds_in_one_dtype_holds(monkeypatch, let_off):
    """The last of several dtypes does not have the last word."""
    law = Law("of some", lambda case: "not here" if case.dtype == getattr(case.xp, let_off) else None, "why", "advice")
    monkeypatch.setattr("tensornet.testing._laws.LAWS", (law,))
    assert tn.testing.check_format(tn.LowRank(2, 2)) == {"of some": "holds"}
    xp = BY_NAME["strict"].xp
    alone = tn.testing.check_format(tn.LowRank(2, 2), xp=xp, dtype=getattr(xp, let_off))
    assert alone == {"of some": "does not apply: not here"}
