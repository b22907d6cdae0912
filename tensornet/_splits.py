"""Splitting a dimension into two factors."""

from ._errors import TensorNetError


def divisor_pair(n: int) -> tuple[int, int]:
    """The most even (a, b) with a·b = n and a ≥ b; (n, 1) for a prime."""
    b = int(n**0.5)
    while n % b:
        b -= 1
    return n // b, b


def is_splittable(n: int) -> bool:
    return n > 3 and divisor_pair(n)[1] > 1


def split_in_two(who: str, axis: str, n: int) -> tuple[int, int]:
    """`divisor_pair`, refusing primes with the nearest sizes that split."""
    if is_splittable(n):
        return divisor_pair(n)
    near = sorted((m for m in range(max(4, n - 4), n + 5) if is_splittable(m)), key=lambda m: (abs(m - n), m))[:2]
    options = " or ".join(f"{m} = {a} × {b}" for m in near for a, b in [divisor_pair(m)])
    raise TensorNetError(
        f"{who}: the matrix has {n} {axis}, which does not split into two factors above 1, as two outer factors need; "
        f"the nearest sizes that do are {options}; resize the layer, leave it out, or give rows and cols yourself, e.g. "
        f"{axis}=({n}, 1)"
    )
