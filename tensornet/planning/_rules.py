"""Rules: from what a user writes to one format for each weight, or the reason why it has none."""

import inspect
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._errors import TensorNetError
from .._format import Format
from .._splits import is_splittable
from ..formats import get

Shape = tuple[int, ...]
Maker = Callable[[Shape], Format]
Choice = Format | Maker | str  # a format, a way to make one for a shape, or the name of one
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
        found = {n: f for n, s in weights.shapes.items() if (f := rules(n, s)) is not None}
        if not found:
            raise _nothing("the function", weights, [])
        return _checked(found, weights.shapes), _rest(weights, found, "the function returned None")
    if rules == "all-linear":
        return _all_linear(weights, _maker(format, options))
    chosen: dict[str, Format] = {}
    left_out: dict[str, str] = {}
    for name, (pattern, choice) in _claims(weights, rules, format).items():
        shape = weights.shapes[name]
        if len(shape) != 2 and _is_pattern(rules):
            left_out[name] = f"{pattern!r} matches it, but its shape {shape} is no matrix"
        else:
            chosen[name] = choice if isinstance(choice, Format) else _made(name, shape, _maker(choice, options))
    if not chosen:
        raise _nothing(repr(rules), weights, [])
    return _checked(chosen, weights.shapes), {**_rest(weights, chosen, "no rule matches it"), **left_out}


def _claims(weights: Weights, rules: Rules, format: str | type[Format]) -> dict[str, tuple[str, Choice]]:
    """Weight name → the one pattern that matches it, and what that pattern chooses."""
    claims: dict[str, tuple[str, Choice]] = {}
    for pattern, choice in _patterns(rules, format):
        hits = _hits(pattern, weights.shapes, literal=not _is_pattern(rules))
        if not hits:
            raise _nothing(repr(pattern), weights, _hits(pattern, weights.skipped, literal=not _is_pattern(rules)))
        for name in hits:
            if name in claims:
                raise TensorNetError(
                    f"plan: {name} is claimed by {claims[name][0]!r} and by {pattern!r}; one weight takes one format, and "
                    f"which of two is meant cannot be guessed; make one rule narrower"
                )
            claims[name] = (pattern, choice)
    return claims


def _is_pattern(rules: Rules) -> bool:
    """Strings and the keys of a dict are regular expressions; a list names weights."""
    return isinstance(rules, str | Mapping)


def _maker(choice: Choice | type[Format], options: Mapping[str, Any]) -> Maker:
    """shape → format: a function as it is, a format class or its name by for_shape(shape, **options)."""
    cls: Any = get(choice) if isinstance(choice, str) else choice
    if not callable(cls):
        raise TensorNetError(
            f"plan: a rule gives {choice!r}, needed a format, the name of one, or a function shape → format; give one of those"
        )
    if not (isinstance(cls, type) and issubclass(cls, Format)):
        return cls
    try:
        inspect.signature(cls.for_shape).bind((2, 2), **options)
    except TypeError as error:
        raise TensorNetError(
            f"plan: {cls.__name__}.for_shape does not take {dict(options)} ({error}); pass the options that it has: "
            f"{inspect.signature(cls.for_shape)}"
        ) from error
    return lambda shape: cls.for_shape(shape, **options)


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
    """A list names weights exactly or by suffix after a dot; a string is a regular expression for the whole name."""
    if literal:
        return [n for n in names if n == pattern or n.endswith(f".{pattern}")]
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
            chosen[name] = make(shape)
        except TensorNetError:
            if not prime:
                raise
            left_out[name] = f"{' and '.join(map(str, prime))} does not split in two"
    if not chosen:
        raise _nothing("'all-linear'", weights, list(left_out), left_out)
    return _checked(chosen, weights.shapes), left_out


def _made(name: str, shape: Shape, make: Maker) -> Format:
    if len(shape) != 2:
        raise TensorNetError(
            f"plan: {name} has shape {shape}, needed a matrix (out, in), because formats here are of matrices; leave it out"
        )
    try:
        return make(shape)
    except TensorNetError as error:
        raise TensorNetError(f"plan: {name} {shape}: {error}") from error


def _checked(chosen: Mapping[str, Format], shapes: Mapping[str, Shape]) -> dict[str, Format]:
    for name, fmt in chosen.items():
        if not isinstance(fmt, Format):
            raise TensorNetError(
                f"plan: the rule for {name} gave {fmt!r}, needed a Format; return one, or None to leave it out"
            )
        if fmt.shape != shapes[name]:
            raise TensorNetError(f"plan: {name}: {fmt.shape_error(shapes[name])}")
    return dict(chosen)


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
