"""Which process owns the factors of which weight."""

from typing import Any

import tensornet as tn


def assign(plan: tn.Coordinated[Any], processes: int) -> dict[str, int]:
    """Weight name → number of its process, so that time and memory are shared as evenly as whole weights allow.

    Longest processing time first (Graham 1969, doi 10.1137/0117039), with two loads: each weight in turn, the heaviest
    first, goes where the larger of two shares is least afterwards, that of the FLOPs (contraction and pullback) and that
    of the factors' entries, to which inner state and traffic are proportional.
    """
    loads = {name: _load(fmt) for name, fmt in plan.items()}
    totals = tuple(sum(load[k] for load in loads.values()) for k in (0, 1))
    shares = {name: (flops / totals[0], entries / totals[1]) for name, (flops, entries) in loads.items()}
    held = [(0.0, 0.0)] * processes
    owners = {}
    for name in sorted(shares, key=lambda n: max(shares[n]), reverse=True):
        after = [(flops + shares[name][0], entries + shares[name][1]) for flops, entries in held]
        owner = min(range(processes), key=lambda r: max(after[r]))
        owners[name], held[owner] = owner, after[owner]
    return {name: owners[name] for name in plan}


def _load(fmt: tn.Coordinates) -> tuple[int, int]:
    return max(1, fmt.flops), max(1, fmt.num_params)
