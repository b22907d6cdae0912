"""The one error of the library."""


class TensorNetError(ValueError):
    """Input that cannot be used.

    Every message says who refused, what was given, what was needed, why, and what to do about it.
    """


def some(names: list[str]) -> str:
    """The first few of them, and how many there are, for a message."""
    return ", ".join(names[:4]) + (f", … ({len(names)} in all)" if len(names) > 4 else "") if names else "nothing"
