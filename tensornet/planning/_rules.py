"""Rules: from what a user writes to one format for each weight, or the reason why it has none."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._errors import TensorNetError
from .._format import Format
from .._splits import even_size, is_splittable
from ._makers import Choice, Maker, Shape, checked, made, maker, refuse_unused

Rules = str | Sequence[str] | Mapping[str, Choice] | Callable[[str, Shape], Format | None]
Matched = tuple[dict[str, Format], dict[str, str]]  # format by weight, and why others have none


@dataclass(frozen=True)
class Weights:
    """What rules are matched against.

    shapes   weight name → shape, of all that could be planned
    linear   what "all-linear" means
    skipped  weight name → why it cannot be planned
    """

    shapes: Mapping[str, Shape]
    linear: Collection[str]
    skipped: Mapping[str, str]


def match(weights: Weights, rules: Rules, format: str | type[Format], options: Mapping[str, Any]) -> Matched:
    """Formats by name, and for the rest of the linear weights the reason why there is none."""
    if callable(rules):
        refuse_unused(options, [])
        found = {n: checked(n, s, f) for n, s in weights.shapes.items() if (f := rules(n, s)) is not None}
        if not found:
            raise _nothing("the function", weights, [])
        return found, _rest(weights, found, "the function returned None")
    if rules == "all-linear":
        refuse_unused(options, [format])
        return _all_linear(weights, maker(format, options))
    patterns = _patterns(rules, format)
    refuse_unused(options, [choice for _, choice in patterns])
    chosen: dict[str, Format] = {}
    left_out: dict[str, str] = {}
    for pattern, names, choice in list(_claims(weights, patterns, literal=not _is_pattern(rules))):
        found, refused = _taken(weights.shapes, names, maker(choice, options), all_of_them=not _is_pattern(rules))
        chosen |= found
        left_out |= {n: f"{pattern!r} matches it, but {why}" for n, why in refused.items()}
    return chosen, {**_rest(weights, chosen, "no rule matches it"), **left_out}


def _claims(
    weights: Weights, patterns: list[tuple[str, Any]], *, literal: bool
) -> Iterator[tuple[str, list[str], Choice]]:
    """Each pattern, the weights that it alone matches, and what it chooses for them."""
    claimed: dict[str, str] = {}
    for pattern, choice in patterns:
        hits = _hits(pattern, weights.shapes, literal=literal)
        if not hits:
            raise _nothing(repr(pattern), weights, _hits(pattern, weights.skipped, literal=literal))
        for name in hits:
            if name in claimed:
                raise TensorNetError(
                    f"plan: {name} is claimed by {claimed[name]!r} and by {pattern!r}; one weight takes one format, and "
                    f"which of two is meant cannot be guessed; make one rule narrower"
                )
            claimed[name] = pattern
        yield pattern, hits, choice


def _taken(
    shapes: Mapping[str, Shape], names: Sequence[str], make: Maker, *, all_of_them: bool
) -> tuple[dict[str, Format], dict[str, str]]:
    """The formats of the weights that `make` has formats for, and why others are left out.

    An expression matches vectors, matrices and kernels alike: those of a kind (number of axes) that the format takes none of
    are left out. A weight of a kind that it does take must have a format, and so must one that was named.
    """
    found: dict[str, Format] = {}
    refused: dict[str, TensorNetError] = {}
    for name in names:
        try:
            found[name] = made(name, shapes[name], make)
        except TensorNetError as error:
            refused[name] = error
    kinds = {len(shapes[n]) for n in found}
    for name, why in refused.items():
        if all_of_them or not kinds or len(shapes[name]) in kinds:
            raise why
    return found, {n: _reason(shapes[n], why) for n, why in refused.items()}


def _reason(shape: Shape, error: TensorNetError) -> str:
    """What was wrong, without the name, which stands before it in the table, and without advice."""
    return f"its shape {shape} is no matrix" if len(shape) < 2 else str(error.__cause__ or error).split("; ")[0]


def _is_pattern(rules: Rules) -> bool:
    """Strings and the keys of a dict are regular expressions; a list names weights."""
    return isinstance(rules, str | Mapping)


def _patterns(rules: Any, default: str | type[Format]) -> list[tuple[str, Any]]:
    if isinstance(rules, str):
        return [(rules, default)]
    if isinstance(rules, Mapping) and rules:
        return list(rules.items())
    if isinstance(rules, Sequence) and rules and all(isinstance(r, str) for r in rules):
        return [(r, default) for r in rules]
    raise TensorNetError(
        f"plan: rules={rules!r} is of no known kind; needed 'all-linear', a regular expression, a list of names, a dict "
        f"from regular expression to format, or a function (name, shape) → format | None"
    )


def _hits(pattern: str, names: Collection[str], *, literal: bool) -> list[str]:
    """A string is a regular expression for the whole name; a list names a weight, or all by their suffix after a dot."""
    if literal:
        return [n for n in names if n == pattern] or [n for n in names if n.endswith(f".{pattern}")]
    try:
        return [n for n in names if re.fullmatch(pattern, n)]
    except re.error as error:
        raise TensorNetError(
            f"plan: {pattern!r} is no regular expression ({error}); a list takes plain names, a string an expression"
        ) from error


def _all_linear(weights: Weights, make: Maker) -> Matched:
    """Everything linear that splits. What does not is left out with its reason: nobody asked for it by name."""
    chosen, left_out = {}, {}
    for name in weights.linear:
        shape = weights.shapes[name]
        prime = [n for n in shape if not is_splittable(n)]
        try:
            chosen[name] = made(name, shape, make)
        except TensorNetError:
            if not prime or not _is_made(tuple(even_size(n) for n in shape), make):  # it is not about splitting
                raise
            left_out[name] = f"{' and '.join(map(str, prime))} does not split in two"
    if not chosen:
        why = {**left_out, **weights.skipped}
        raise _nothing("'all-linear'", weights, list(why), why)
    return chosen, left_out


def _is_made(shape: Shape, make: Maker) -> bool:
    try:
        make(shape)
    except TensorNetError:
        return False
    return True


def _rest(weights: Weights, chosen: Collection[str], reason: str) -> dict[str, str]:
    return {name: reason for name in weights.linear if name not in chosen}


def _nothing(rule: str, weights: Weights, near: Sequence[str], why: Mapping[str, str] | None = None) -> TensorNetError:
    reasons = why or weights.skipped
    skipped = "; ".join(f"it would match {n}, left out: {reasons[n]}" for n in near[:4])
    names = list(weights.shapes)
    some = ", ".join(names[:8] or ["none"]) + (f", … ({len(names)} in all)" if len(names) > 8 else "")
    return TensorNetError(
        f"plan: {rule} matches no weight; every rule has to match at least one, because a misspelt rule would leave "
        f"weights as they are in silence; {skipped or f'the weights are {some}'}"
    )
