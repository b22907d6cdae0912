"""A picture of a format: its factors, the indices that join them, and what contracting them costs, as SVG text."""

from collections.abc import Iterator
from html import escape

from ._format import Format
from ._network import Network

STEP, TOP, BOX, MARGIN = 120, 110, 26, 80  # pixels: between factors, above them, half a box, at the sides
ROW = 20  # pixels of one line of the table of steps


def draw(fmt: Format) -> str:
    """SVG of the network of `fmt`: rows point up, columns down, lines carry the sizes of bonds, and below stands each pairwise
    step of the contraction with its share of the operations. Indices of size 1 are left out.

    >>> from tensornet import LowRank
    >>> draw(LowRank(6, 4)).startswith("<svg")
    True
    """
    network, steps = fmt.network, list(_steps(fmt))
    width = max(2 * MARGIN + STEP * (len(network.factors) - 1), 420)
    bottom = TOP + 130
    body = [*_indices(network), *(part for k in range(len(network.factors)) for part in _factor(network, k))]
    body += [
        _text(MARGIN / 2, 24, f"{fmt.name} {' × '.join(map(str, fmt.shape))}, {fmt.scale:.3g} × dense", anchor="start")
    ]
    body += [part for n, step in enumerate(steps) for part in _step(step, bottom + ROW * n, width)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{bottom + ROW * len(steps)}" '
        f'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>{"".join(body)}</svg>'
    )


def _factor(network: Network, k: int) -> Iterator[str]:
    x, n = _x(k), 1
    for size in network.shapes[k]:
        n *= size
    yield f'<rect x="{x - BOX}" y="{TOP - BOX}" width="{2 * BOX}" height="{2 * BOX}" rx="8" fill="#dce6f5" stroke="#345"/>'
    yield _text(x, TOP - 2, f"T{k}") + _text(x, TOP + 14, _short(n))


def _indices(network: Network) -> Iterator[str]:
    """Open indices as legs; bonds as lines, arcs where other factors lie between; whatever joins more meets in a dot."""
    for index, size in network.sizes:
        held = [k for k, f in enumerate(network.factors) if index in f]
        up = -1 if index in network.rows else 1
        if size == 1:
            continue
        if len(held) == 1:
            legs = [
                i
                for i in network.factors[held[0]]
                if i in (network.rows if up < 0 else network.cols) and network.size[i] > 1
            ]
            x = _x(held[0]) + 24 * (legs.index(index) - (len(legs) - 1) / 2)
            yield _line(x, TOP + up * BOX, x, TOP + up * (BOX + 26)) + _text(x, TOP + up * (BOX + 36) + 4, str(size))
        elif index in network.bonds:
            yield from _bond(held[0], held[1], size)
        else:
            x, y = sum(map(_x, held)) / len(held), TOP + (up if index in network.output else -1) * (BOX + 22)
            yield "".join(_line(_x(k), TOP, x, y) for k in held)
            yield f'<circle cx="{x}" cy="{y}" r="4" fill="#345"/>' + _text(x + 14, y + 4, str(size))


def _bond(first: int, second: int, size: int) -> Iterator[str]:
    a, b = _x(first), _x(second)
    if second == first + 1:
        yield _line(a, TOP, b, TOP) + _text((a + b) / 2, TOP - 6, str(size))
        return
    height = TOP - BOX - 16 - 8 * (second - first)
    yield f'<path d="M{a} {TOP} C {a} {height - 20}, {b} {height - 20}, {b} {TOP}" fill="none" stroke="#345"/>'
    yield _text(a + 0.8 * (b - a), height + 10, str(size))


def _steps(fmt: Format) -> Iterator[tuple[str, int, float]]:
    """(what is multiplied, its operations, their share) in the order of the path."""
    path, n = fmt.path, len(fmt.network.factors)
    names = {k: f"T{k}" for k in range(n)}
    for number, step in enumerate(path.steps):
        names[n + number] = f"R{number}"
        flops = step.forward.flops
        yield f"{names[step.left]} · {names[step.right]} → R{number}", flops, flops / path.flops


def _step(step: tuple[str, int, float], y: float, width: float) -> Iterator[str]:
    what, flops, share = step
    yield _text(MARGIN / 2, y, what, anchor="start")
    yield f'<rect x="170" y="{y - 10}" width="{(width - 330) * share:.1f}" height="11" fill="#7a9cc6"/>'
    yield _text(width - MARGIN / 2, y, f"{_short(flops)}FLOP, {share:.0%}", anchor="end")


def _x(k: int) -> float:
    return MARGIN + STEP * k


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="#345"/>'


def _text(x: float, y: float, text: str, *, anchor: str = "middle") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'


def _short(n: float) -> str:
    for unit in ("", "k", "M", "G"):
        if n < 1000:
            return f"{n:.3g} {unit}"
        n /= 1000
    return f"{n:.3g} T"
