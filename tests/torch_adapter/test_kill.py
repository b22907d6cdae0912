"""A training killed with SIGKILL and resumed from its last checkpoint ends bit-identical to one that was not."""

from pathlib import Path

import torch
from killing import run_killed, run_whole

SCRIPT = Path(__file__).with_name("killed_run.py")
STEPS = 60


def test_killed_and_resumed_equals_uninterrupted(tmp_path):
    run_whole(SCRIPT, tmp_path / "whole", STEPS)
    assert run_killed(SCRIPT, tmp_path / "killed", STEPS, "final.pt", every=22) >= 2
    whole, killed = (torch.load(tmp_path / d / "final.pt", weights_only=True) for d in ("whole", "killed"))
    assert whole.keys() == killed.keys()
    assert all(torch.equal(whole[k], killed[k]) for k in whole)
