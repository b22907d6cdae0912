"""`distill` killed with SIGKILL at random moments and started again ends with the same bits as a run that was left alone."""

import multiprocessing
import os
import random
import signal
import time

import tiny_runs
from safetensors.numpy import load_file

from opdf.distill import distill

KILLS = int(os.environ.get("KILLS", "4"))


def test_killed_at_random_and_resumed_equals_uninterrupted(tmp_path):
    processes = multiprocessing.get_context("forkserver")  # which imports PyTorch once
    processes.set_forkserver_preload(["opdf.distill._torch_run"])
    longer = {"training__epochs": 20.0, "teacher__epochs": 5.0}
    whole, killed = (
        tiny_runs.images(tmp_path, out=str(tmp_path / out), cache=str(tmp_path / f"{out} cache"), **longer)
        for out in ("whole", "killed")
    )
    distill(whole)
    moments = random.Random(KILLS)
    for _ in range(KILLS):
        process = processes.Process(target=distill, args=(killed,), kwargs={"resume": True})
        process.start()
        seen = _written(tmp_path / "killed")
        while process.is_alive() and _written(tmp_path / "killed") == seen:
            time.sleep(0.01)
        time.sleep(0.3 * moments.random())
        assert process.is_alive(), "it ended before it was killed; let it be longer"
        os.kill(process.pid, signal.SIGKILL)
        process.join()
    assert not (killed.out / "summary.json").exists()
    distill(killed, resume=True)
    assert _student(whole) == _student(killed)
    assert not list(killed.out.glob("*.safetensors"))


def _written(folder):
    """How much of anything there is."""
    return sum(path.stat().st_size for path in folder.rglob("*.jsonl"))


def _student(config):
    return {name: x.tobytes() for name, x in load_file(config.out / "student" / "model.safetensors").items()}
