"""What is worked out once, before arrays are seen: so that torch.compile, which traces all calls, need not trace that."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING or sys.version_info >= (3, 12):
    from functools import cached_property as cached_property
else:

    class cached_property:
        """functools.cached_property without the lock that it has in Python 3.11, because torch.compile cannot take one."""

        def __init__(self, function):
            self.function, self.__doc__ = function, function.__doc__

        def __set_name__(self, owner, name):
            self.name = name

        def __get__(self, instance, owner=None):
            if instance is None:
                return self
            value = instance.__dict__[self.name] = self.function(instance)
            return value


F = TypeVar("F", bound=Callable[..., object])


def untraced(function: F) -> F:
    """A function of plain values to plain values, which torch.compile calls as it is and takes the result for a constant.

    What torch.compiler.assume_constant_result does, without importing torch.
    """
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return function
