"""The one error of the library."""


class TensorNetError(ValueError):
    """Input that cannot be used.

    Every message says who refused, what was given, what was needed, why, and what to do about it.
    """
