"""A law: what it claims, how to test it, and what to say to somebody whose format breaks it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ._case import Case


class LawError(AssertionError):
    """A format breaks a law. `law` is the name of it."""

    def __init__(self, message: str, law: str = "") -> None:
        super().__init__(message)
        self.law = law


class Broken(Exception):
    """What a law found, before it is told whose format it was."""


def require(holds: bool, given: str, needed: str) -> None:
    if not holds:
        raise Broken(f"{given}, needed {needed}")


@dataclass(frozen=True)
class Law:
    """One property of a format.

    name    what holds, in a few words
    test    raises Broken; returns the reason where the law says nothing of this format, else None
    why     what goes wrong for a user when it does not hold
    advice  where to look
    """

    name: str
    test: Callable[[Case], str | None]
    why: str
    advice: str

    def check(self, case: Case) -> str:
        """Returns "holds", or why the law does not apply.

        raises: LawError that names the law, the format, the library, the dtype and the numbers
        """
        complain = partial(self._error, case)
        try:
            reason = self.test(case)
        except Broken as error:
            raise complain(str(error)) from None
        except Exception as error:  # a format that fails in its own code breaks the law too, and must hear which one
            raise complain(f"raised {type(error).__name__}: {error}, needed no exception") from error
        return "holds" if reason is None else f"does not apply: {reason}"

    def _error(self, case: Case, found: str) -> LawError:
        return LawError(f"{case}: law {self.name!r}: {found}, because {self.why}; {self.advice}", self.name)
