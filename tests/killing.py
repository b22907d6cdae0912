"""Run a training script, kill it with SIGKILL again and again, and let it go on from its last checkpoint."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path


def run_whole(script: Path, folder: Path, steps: int) -> None:
    assert start(script, folder, steps, pause=0.0).wait(timeout=600) == 0


def run_killed(script: Path, folder: Path, steps: int, final: str, every: int) -> int:
    """Kill about `every` steps after each start, until `final` is there; returns the number of kills."""
    kills = 0
    while not (folder / final).exists():
        process = start(script, folder, steps, pause=0.05)
        seen, deadline = done(folder), time.monotonic() + 60
        while process.poll() is None and done(folder) < seen + every and time.monotonic() < deadline:
            time.sleep(0.01)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        else:
            assert process.returncode == 0
        process.wait()
    return kills


def run_killed_at_random(script: Path, folder: Path, steps: int, final: str, kills: int, seed: int = 0) -> None:
    """Kill so many times, each up to 15 steps after one that the process before had not done; then let it end."""
    moments = random.Random(seed)
    for _ in range(kills):
        process = start(script, folder, steps, pause=0.02)
        seen, deadline = done(folder), time.monotonic() + 120
        while process.poll() is None and done(folder) == seen and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.3 * moments.random())
        assert process.poll() is None, "it ended, or failed, before it was killed; let it have more steps"
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (folder / final).exists()
    run_whole(script, folder, steps)


def start(script: Path, folder: Path, steps: int, pause: float) -> subprocess.Popen[bytes]:
    folder.mkdir(exist_ok=True)
    environment = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}  # compiled as a user's is
    return subprocess.Popen([sys.executable, str(script), str(folder), str(steps), str(pause)], env=environment)


def done(folder: Path) -> int:
    log = folder / "steps.txt"
    return len(log.read_text().split()) if log.exists() else 0
