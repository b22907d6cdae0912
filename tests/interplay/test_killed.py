"""kill -9 at random moments of a Trainer's training and saving. KILLS=20 kills as often; else it is three times."""

import json
import multiprocessing
import os
import random
import signal
import time

import pytest
import torch
from interplay.encoders import classifier, wrapped
from interplay.killed_trainer import EVERY, documented, run
from interplay.trainers import trainer
from torch.utils._pytree import tree_leaves
from transformers.trainer_utils import get_last_checkpoint

KILLS = int(os.environ.get("KILLS", "3"))
STEPS = (4 * KILLS + 3) * EVERY
LAST = f"checkpoint-{STEPS}"


last_complete = documented("last_complete")


@pytest.fixture(scope="module")
def start():
    """Starts a training in a process; Transformers is loaded once for all of them."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["transformers.trainer", "transformers.models.bert.modeling_bert", "tensornet_torch"]
    )

    def start(folder):
        folder.mkdir(exist_ok=True)
        process = context.Process(target=run, args=(folder, STEPS))
        process.start()
        return process

    return start


def kill(process, folder, interval):
    """At a random moment of the time that two checkpoints take, after one more; returns whether half a one was left."""
    before = last_complete(folder)
    while process.is_alive() and last_complete(folder) == before:
        time.sleep(0.001)
    time.sleep(random.uniform(0, 2 * interval))
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    return last_complete(folder) != get_last_checkpoint(folder)


@pytest.mark.row("HF `Trainer`: killed by `kill -9`", limit="resumes from the last complete checkpoint, as below")
def test_killed_and_resumed_equals_uninterrupted(tmp_path, start):
    whole, killed = folders = tmp_path / "whole", tmp_path / "killed"
    start(whole).join()
    first, second = sorted(f.stat().st_mtime for f in whole.glob("*/trainer_state.json"))
    torn = sum(kill(start(killed), killed, second - first) for _ in range(KILLS))
    print(f"{KILLS} kills until {last_complete(killed)}, {torn} of them left half a checkpoint")
    start(killed).join()
    for name in ("optimizer.pt", "scheduler.pt"):
        ours, theirs = (tree_leaves(torch.load(f / LAST / name, weights_only=True)) for f in folders)
        assert len(ours) == len(theirs) > 5
        assert all(
            torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in zip(ours, theirs, strict=True)
        )
    for name in ("model.safetensors", "trainer_state.json"):
        assert (whole / LAST / name).read_bytes() == (killed / LAST / name).read_bytes()


def test_the_last_complete_checkpoint_is_found_wherever_saving_stopped(tmp_path):
    """The Trainer writes file after file: what it wrote last says that the others are whole."""
    model = classifier()
    assert last_complete(tmp_path) is None
    trainer(tmp_path, model, wrapped(model), max_steps=2, save_strategy="steps", save_steps=1).train()
    before, last = (tmp_path / f"checkpoint-{n}" for n in (1, 2))
    assert last_complete(tmp_path) == str(last)
    files = sorted(last.iterdir(), key=lambda f: f.stat().st_mtime_ns)
    assert len(files) > 5
    for file in reversed(files):
        content = file.read_bytes()
        for part in (content[:-2], content[: len(content) // 2], b""):
            file.write_bytes(part)
            assert last_complete(tmp_path) == str(before), file
        file.unlink()
        assert last_complete(tmp_path) == str(before)
    last.rmdir()
    assert json.loads((before / "trainer_state.json").read_text())["global_step"] == 1
