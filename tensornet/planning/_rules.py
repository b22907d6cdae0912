"""Rules: from what a user writes to one format for each weight, or the reason why it has none."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from .._errors import TensorNetError
from .._format import Format
from .._splits import is_splittable
from ..formats import get

Shape = tuple[int, ...]
Choice = Format | Callable[[Shape], Format]
Rules = str | Sequence[str] | Mapping[str, Choice] | Callable[[str, Shape], Format | None]


def match(
    shapes: Mapping[str, Shape], rules: Rules, linear: Collection[str], default: Callable[[Shape], Format]
) -> tuple[dict[str, Format], dict[str, str]]:
    """Formats by name, and for the rest of `linear` the reason why there is none."""
    if callable(rules):
        chosen = {n: f for n, s in shapes.items() if (f := rules(n, s)) is not None}
        if not chosen:
            raise _nothing("the function", shapes)
        return _checked(chosen, shapes), _rest(linear, chosen, "the function returned None")
    if rules == "all-linear":
        return _all_linear(shapes, linear, default)
    chosen = {}
    claimed: dict[str, str] = {}
    for pattern, choice in _patterns(rules, default):
        hits = _hits(pattern, shapes, literal=not isinstance(rules, str | Mapping))
        if not hits:
            raise _nothing(f"{pattern!r}", shapes)
        for name in hits:
            if name in claimed:
                raise TensorNetError(
                    f"plan: {name} is claimed by {claimed[name]!r} and by {pattern!r}; one weight takes one format, and "
                    f"which of two is meant cannot be guessed; make one rule narrower"
                )
            claimed[name] = pattern
            chosen[name] = choice if isinstance(choice, Format) else _made(name, shapes[name], choice)
    return _checked(chosen, shapes), _rest(linear, chosen, "no rule matches it")


def default_choice(format: str | type[Format], options: Mapping[str, Any]) -> Callable[[Shape], Format]:
    """shape → format.for_shape(shape, **options)."""
    cls = get(format) if isinstance(format, str) else format
    return lambda shape: cls.for_shape(shape, **options)  # type: ignore[attr-defined]


def _patterns(rules: Any, default: Callable[[Shape], Format]) -> list[tuple[str, Choice]]:
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


def _all_linear(
    shapes: Mapping[str, Shape], linear: Collection[str], default: Callable[[Shape], Format]
) -> tuple[dict[str, Format], dict[str, str]]:
    """Everything linear that splits. What does not is left out with its reason: nobody asked for it by name."""
    chosen, skipped = {}, {}
    for name in linear:
        prime = [n for n in shapes[name] if not is_splittable(n)]
        try:
            chosen[name] = default(shapes[name])
        except TensorNetError:
            if not prime:
                raise
            skipped[name] = f"{' and '.join(map(str, prime))} does not split in two"
    if not chosen:
        raise _nothing("'all-linear'", shapes)
    return _checked(chosen, shapes), skipped


def _made(name: str, shape: Shape, choice: Callable[[Shape], Format]) -> Format:
    if len(shape) != 2:
        raise TensorNetError(
            f"plan: {name} has shape {shape}, needed a matrix (out, in), because formats here are of matrices; leave it out"
        )
    try:
        return choice(shape)
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


def _rest(linear: Collection[str], chosen: Collection[str], reason: str) -> dict[str, str]:
    return {name: reason for name in linear if name not in chosen}


def _nothing(rule: str, shapes: Mapping[str, Shape]) -> TensorNetError:
    some = ", ".join(list(shapes)[:8]) + (f", … ({len(shapes)} in all)" if len(shapes) > 8 else "")
    return TensorNetError(
        f"plan: {rule} matches no weight; every rule has to match at least one, because a misspelt rule would leave "
        f"weights as they are in silence; the weights are {some or 'none'}"
    )
