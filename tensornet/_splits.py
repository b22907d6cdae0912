"""Splitting a dimension into factors."""

from ._errors import TensorNetError

EVEN = 2  # a split is even if its largest factor is at most twice the smallest


def divisor_pair(n: int) -> tuple[int, int]:
    """The most even (a, b) with a·b = n and a ≥ b; (n, 1) for a prime."""
    b = int(n**0.5)
    while n % b:
        b -= 1
    return n // b, b


def divisor_pairs(n: int) -> tuple[tuple[int, int], ...]:
    """All (a, b) with a·b = n."""
    return tuple((a, n // a) for a in range(1, n + 1) if n % a == 0)


def is_splittable(n: int) -> bool:
    return n > 3 and divisor_pair(n)[1] > 1


def even_size(n: int, parts: int = 2) -> int:
    """The least size from n on that splits into `parts` factors evenly; into one, n itself does."""
    if parts == 1:
        return n
    while not (is_splittable(n) and max(split_evenly(n, parts)) <= EVEN * min(split_evenly(n, parts))):
        n += 1
    return n


def split_in_two(who: str, axis: str, n: int) -> tuple[int, int]:
    """`divisor_pair`, refusing primes with the nearest sizes that split."""
    if is_splittable(n):
        return divisor_pair(n)
    near = sorted((m for m in range(max(4, n - 4), n + 5) if is_splittable(m)), key=lambda m: (abs(m - n), m))[:2]
    options = " or ".join(f"{m} = {a} × {b}" for m in near for a, b in [divisor_pair(m)])
    raise TensorNetError(
        f"{who}: the matrix has {n} {axis}, which does not split into two factors above 1, as two outer factors need; "
        f"the nearest sizes that do are {options}; pass pad=True to round up to {even_size(n)} (the padding never shows), "
        f"resize the layer, leave it out, or give the split yourself, e.g. {n} = {n} × 1"
    )


def split_evenly(n: int, parts: int) -> tuple[int, ...]:
    """n as a product of `parts` factors, as even as its primes allow, the larger first; ones where primes run out."""
    factors = [1] * parts
    for p in sorted(_primes(n), reverse=True):
        factors[factors.index(min(factors))] *= p
    return tuple(sorted(factors, reverse=True))


def _primes(n: int) -> list[int]:
    found, p = [], 2
    while p * p <= n:
        while n % p == 0:
            found.append(p)
            n //= p
        p += 1
    return found + [n] * (n > 1)
