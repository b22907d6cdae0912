"""Makers: from what a rule chooses to the format of one weight. Which shapes there are formats for, the formats decide."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from .._errors import TensorNetError
from .._format import Format
from ..formats import get

Shape = tuple[int, ...]
Maker = Callable[[Shape], Format]
Choice = Format | Maker | str | type[Format]  # a format, a way to make one for a shape, or a format class or its name


def maker(choice: Choice, options: Mapping[str, Any]) -> Maker:
    """shape → format: a format class or its name by for_shape(shape, **options); a function, or a format, as it is."""
    cls: Any = get(choice) if isinstance(choice, str) else choice
    if isinstance(cls, Format):
        return lambda shape: cls
    if not callable(cls):
        raise TensorNetError(
            f"plan: a rule gives {choice!r}, needed a format, the name of one, or a function shape → format; give one of those"
        )
    if not _is_class(cls):
        return cls

    def make(shape: Shape) -> Format:
        try:
            return cls.for_shape(shape, **options)
        except TypeError as error:  # an option that for_shape lacks, or a value that it cannot compare
            raise TensorNetError(
                f"{cls.__name__}.for_shape does not take {dict(options)} ({error}); pass the options that it has: "
                f"{inspect.signature(cls.for_shape)}"
            ) from error

    return make


def refuse_unused(options: Mapping[str, Any], choices: list[Any]) -> None:
    """Options that no rule hands to a for_shape would be lost in silence."""
    if options and not any(isinstance(c, str) or _is_class(c) for c in choices):
        raise TensorNetError(
            f"plan: {dict(options)} would change nothing, because the rules give the formats themselves and options go to the "
            f"for_shape of format classes alone; put them where the formats are made, or let the rules name classes"
        )


def made(name: str, shape: Shape, make: Maker) -> Format:
    """The format of one weight, or an error that names the weight."""
    if len(shape) < 2:
        raise TensorNetError(
            f"plan: {name} has shape {shape}, needed a matrix (out, in), or (out, in, *kernel), because a vector has no "
            f"factors; leave it out"
        )
    try:
        fmt = make(shape)
    except TensorNetError as error:
        raise TensorNetError(f"plan: {name} {shape}: {error}") from error
    return checked(name, shape, fmt)


def checked(name: str, shape: Shape, fmt: Any) -> Format:
    if not isinstance(fmt, Format):
        raise TensorNetError(
            f"plan: the rule for {name} gave {fmt!r}, needed a Format; return one, or None to leave it out"
        )
    if len(shape) > len(fmt.shape) and shape[-len(fmt.shape) :] == fmt.shape:
        raise TensorNetError(
            f"plan: {name} has shape {shape}, and {type(fmt).__name__} is of {fmt.shape}, needed a format of all {len(shape)} "
            f"axes, because a plan is of whole weights and not of stacks; take one with a kernel, e.g. "
            f"ConvMPO.for_shape({shape}), or leave it out"
        )
    if fmt.shape != shape:
        raise TensorNetError(f"plan: {name}: {fmt.shape_error(shape)}")
    return fmt


def _is_class(choice: Any) -> bool:
    return isinstance(choice, type) and issubclass(choice, Format)
