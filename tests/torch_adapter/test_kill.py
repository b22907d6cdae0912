"""A training killed with SIGKILL and resumed from its last checkpoint ends bit-identical to one that was not."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import torch

SCRIPT = Path(__file__).with_name("killed_run.py")
STEPS = 60


def run(folder, pause):
    folder.mkdir(exist_ok=True)
    return subprocess.Popen([sys.executable, SCRIPT, str(folder), str(STEPS), str(pause)])


def test_killed_and_resumed_equals_uninterrupted(tmp_path):
    assert run(tmp_path / "whole", 0).wait(timeout=120) == 0
    kills = 0
    while not (tmp_path / "killed" / "final.pt").exists():
        process = run(tmp_path / "killed", 0.02)
        seen, deadline = len(list_steps(tmp_path / "killed")), time.monotonic() + 60
        while process.poll() is None and len(list_steps(tmp_path / "killed")) < seen + 15 and time.monotonic() < deadline:
            time.sleep(0.01)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
    assert kills >= 2
    whole, killed = (torch.load(tmp_path / d / "final.pt", weights_only=True) for d in ("whole", "killed"))
    assert whole.keys() == killed.keys()
    assert all(torch.equal(whole[k], killed[k]) for k in whole)


def list_steps(folder):
    log = folder / "steps.txt"
    return log.read_text().split() if log.exists() else []
