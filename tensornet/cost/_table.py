"""A choice as text."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .._columns import columns

if TYPE_CHECKING:
    from ._choice import Candidate, Choice

HEADS = ("way", "GFLOP", "backward", "MB moved", "backward", "peak MB", "time", "")


def table(choice: "Choice") -> str:
    """One line for each candidate, and one that says which was taken and why."""
    lines = columns([HEADS, *(_row(choice, c) for c in choice.candidates)], right=range(1, len(HEADS) - 1))
    return "\n".join((_title(choice), lines, _verdict(choice)))


def _title(choice: "Choice") -> str:
    parts = [f"{choice.who} at a batch of {choice.batch}", f"{'with' if choice.gradients else 'without'} gradients"]
    if choice.constant:
        parts.append(f"factors {', '.join(map(str, choice.constant))} constant over {choice.calls} calls")
    return ", ".join(parts)


def _row(choice: "Choice", candidate: "Candidate") -> Sequence[str]:
    c, best, once = candidate.cost, choice.candidates[0].seconds, candidate.once
    fits = choice.fits(candidate)
    notes = [] if fits else ["does not fit"]
    if once.flops:
        notes.append(f"+ {once.flops / 1e9:.3g} GFLOP once")
    return (
        candidate.name,
        f"{c.flops / 1e9:.3g}",
        f"{c.backward_flops / 1e9:.3g}",
        f"{c.moved / 1e6:.3g}",
        f"{c.backward_moved / 1e6:.3g}",
        f"{choice.needs(candidate) / 1e6:.3g}",
        f"{candidate.seconds / best:.2f}",
        ", ".join(notes),
    )


def _verdict(choice: "Choice") -> str:
    limit = "" if choice.memory is None else f" that fits {choice.memory / 1e6:.3g} MB"
    fitting = [c for c in choice.candidates if choice.fits(c)]
    if not fitting:
        return f"taken: none, nothing{limit.removeprefix(' that')}"
    if len(fitting) == 1:
        return f"taken: {fitting[0].name}, the only one{limit}"
    first, second = fitting[:2]
    ahead = second.seconds / first.seconds
    return f"taken: {first.name}, the quickest{limit}, {ahead:.2f} × as quick as {second.name}, the next"
