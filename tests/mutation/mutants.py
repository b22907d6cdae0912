"""The mutants: cosmic-ray's operators at every place of the core, one variant for each kind of change.

Left out: annotations, which do nothing at run time, and the other nine replacements of each binary operator, most of which
any test would kill; they would only raise the score.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

ROOT = Path(__file__).parents[2]

BINARY = [
    "Add_Sub",
    "Sub_Add",
    "Mul_Div",
    "Div_Mul",
    "FloorDiv_Mul",
    "Mod_FloorDiv",
    "Pow_Mul",
    "BitOr_BitAnd",
    "BitAnd_BitOr",
]
COMPARISON = (
    *("Eq_NotEq", "NotEq_Eq", "Is_IsNot", "IsNot_Is"),
    *("Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt", "Lt_GtE", "LtE_Gt", "Gt_LtE", "GtE_Lt"),
)
OPERATORS = (
    *(f"ReplaceBinaryOperator_{o}" for o in BINARY),
    *(f"ReplaceComparisonOperator_{o}" for o in COMPARISON),
    *("ReplaceUnaryOperator_Delete_USub", "ReplaceUnaryOperator_Delete_Invert", "ReplaceUnaryOperator_Delete_Not"),
    *("AddNot", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd"),
    *("ReplaceBreakWithContinue", "ReplaceContinueWithBreak", "ExceptionReplacer", "NumberReplacer", "RemoveDecorator"),
    "ZeroIterationForLoop",
)


@dataclass(frozen=True)
class Mutant:
    """`operator` applied for the `occurrence`-th time in `file`, at `line` and `column`."""

    file: str
    operator: str
    occurrence: int
    line: int
    column: int

    def lines(self) -> list[int]:
        """Its line, then the other lines of its statement: those that a tracer may report in its place."""
        nodes = [n for n in ast.walk(ast.parse((ROOT / self.file).read_text())) if isinstance(n, ast.stmt)]
        around = [n for n in nodes if n.lineno <= self.line <= n.end_lineno]
        if not around:  # a decorator stands before its function
            return [self.line]
        least = min(around, key=lambda n: n.end_lineno - n.lineno)
        return [self.line, *range(least.lineno, least.end_lineno + 1)]

    def source(self) -> str:
        code = mutate_code((ROOT / self.file).read_text(), _operator(self.operator), self.occurrence)
        if code is None:
            raise ValueError(f"{self} is no mutation of the file as it is now")
        return code


def mutants(folder: Path = ROOT / "tensornet") -> list[Mutant]:
    """All mutants of the core, its laws included."""
    return [m for path in sorted(folder.rglob("*.py")) for m in _of(path)]


def _of(path: Path) -> Iterator[Mutant]:
    text = path.read_text()
    inert = _annotations(text)
    nodes = list(ast_nodes(get_ast(text)))
    for name in OPERATORS:
        positions = [p for node in nodes for p in _operator(name).mutation_positions(node)]
        for occurrence, ((line, column), _) in enumerate(positions):
            if not any(start <= (line, column) < end for start, end in inert):
                yield Mutant(str(path.relative_to(ROOT)), name, occurrence, line, column)


def _operator(name: str):
    return get_operator(f"core/{name}")()


def _annotations(text: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """(start, end) of every annotation, as (line, column)."""
    nodes = list(ast.walk(ast.parse(text)))
    held = [getattr(n, field, None) for n in nodes for field in ("annotation", "returns")]
    held += [n.value for n in nodes if isinstance(n, ast.Assign) and _is_alias(n)]
    return [((n.lineno, n.col_offset), (n.end_lineno, n.end_col_offset)) for n in held if isinstance(n, ast.expr)]


def _is_alias(node: ast.Assign) -> bool:
    """Whether this is a name for a type, such as Rules = str | Sequence[str]."""
    target = node.targets[0]
    return node.col_offset == 0 and isinstance(target, ast.Name) and target.id[0].isupper() and not target.id.isupper()
