"""`python tests/mutation [share] [minutes]`: the share of mutants of the core that its tests kill.

share    of all mutants, drawn at random with a fixed seed; 1 takes all (hours on two cores)
minutes  after which no further mutant is begun: the order is random, so that those done are a random sample as well
"""

import json
import math
import os
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("JAX_ENABLE_X64", "1")

import array_api_strict  # noqa: F401  loaded before the forks, for speed; JAX must not be: its threads do not survive a fork
import hypothesis  # noqa: F401
import numpy  # noqa: F401
import pool
import scipy  # noqa: F401
import torch
from covering import covering
from mutants import ROOT, Mutant, mutants

WORKERS = 2
BUDGET = 30.0  # seconds of tests for one mutant, the quickest first
TESTS = ["tests/core", "-k", "not jax and not compile and not house_style and not purity and not killed"]


def main(share: float, minutes: float) -> None:
    """Print the score and write every mutant's fate to runs/mutation.json."""
    torch.set_num_threads(1)
    os.chdir(ROOT)
    pid = os.fork()  # the tests run once in a child, so that the core is loaded in none of the forks below
    if pid == 0:
        lines, seconds = covering(TESTS)
        kept = [[list(k), v] for k, v in lines.items()]
        Path("runs").mkdir(exist_ok=True)
        Path("runs/covering.json").write_text(json.dumps([kept, seconds]))
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        raise SystemExit(1)
    kept, seconds = json.loads(Path("runs/covering.json").read_text())
    lines = {tuple(k): v for k, v in kept}
    found = mutants()
    chosen = random.Random(0).sample(found, round(share * len(found)))
    fates = run(chosen, lines, seconds, minutes)
    killed = sum(fate in ("killed", "timed out") for fate in fates.values())
    Path("runs/mutation.json").write_text(json.dumps([{**vars(m), "fate": f} for m, f in fates.items()], indent=0))
    print(f"{killed} of {len(fates)} mutants killed, {killed / len(fates):.1%} ({len(found)} mutants in all)")


def run(
    chosen: list[Mutant], lines: dict[tuple[str, int], list[str]], seconds: dict[str, float], minutes: float
) -> dict[Mutant, str]:
    """Mutant → "killed", "timed out" (killed as well), "survived" or "not covered"."""
    fates: dict[Mutant, str] = {}
    running: dict[int, Mutant] = {}
    waiting, end = list(chosen), time.monotonic() + 60 * minutes
    everything = sorted(seconds, key=seconds.__getitem__)
    while (waiting and time.monotonic() < end) or running:
        while waiting and time.monotonic() < end and len(running) < WORKERS:
            mutant = waiting.pop()
            ran = next((lines[mutant.file, n] for n in mutant.lines() if (mutant.file, n) in lines), None)
            if ran is None:
                fates[mutant] = "not covered"
            else:  # what runs at import is in every test's hands
                running[pool.start(mutant, within(ran or everything, seconds), 3 * BUDGET)] = mutant
        if running:
            pid, fate = pool.finished()
            fates[running.pop(pid)] = fate
            if len(fates) % 50 == 0:
                print(f"{len(fates)} of {len(chosen)}", file=sys.stderr, flush=True)
    return fates


def within(tests: list[str], seconds: dict[str, float]) -> list[str]:
    """The quickest tests that fit the budget together."""
    chosen, total = [], 0.0
    for test in tests:
        total += seconds[test]
        if total > BUDGET and chosen:
            break
        chosen.append(test)
    return chosen


if __name__ == "__main__":
    share, minutes = (*map(float, sys.argv[1:]), *(1.0, math.inf)[len(sys.argv) - 1 :])
    main(share, minutes)
