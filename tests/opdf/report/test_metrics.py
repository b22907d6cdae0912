"""metrics.jsonl: valid JSON whatever the numbers, complete after every record, the same file after a kill."""

import json
import math
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest
import torch

from opdf.report import Metrics, read, series
from opdf.report._tracker import scalars
from tensornet import TensorNetError


def record(step: int) -> dict:
    return {"step": step, "loss": 1 / (step + 1), "terms": {"kd": 0.25 * step}}


def written(folder, steps) -> bytes:
    with Metrics(folder) as metrics:
        for step in steps:
            metrics.log(record(step))
    return (folder / "metrics.jsonl").read_bytes()


def test_each_record_is_in_the_file_at_once(tmp_path):
    metrics = Metrics(tmp_path)
    for step in range(3):
        metrics.log(record(step))
        assert read(tmp_path)[-1] == record(step)
    metrics.close()


def test_a_resumed_run_has_the_same_file_to_the_last_bit(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole = written(tmp_path / "a", range(9))
    written(tmp_path / "b", range(7))
    with Metrics.resumed(tmp_path / "b", 4) as metrics:
        assert [r["step"] for r in read(tmp_path / "b")] == [0, 1, 2, 3, 4]
        for step in range(5, 9):
            metrics.log(record(step))
    assert (tmp_path / "b" / "metrics.jsonl").read_bytes() == whole


def test_what_came_before_the_first_step_stays_and_what_came_after_the_checkpoint_goes(tmp_path):
    with Metrics(tmp_path) as metrics:
        for line in ({"phase": "teacher"}, {"step": 3}, {"step": 3, "dev": {"f1": 1.0}}, {"step": 4}, {"note": "late"}):
            metrics.log(line)
    Metrics.resumed(tmp_path, 3).close()
    assert read(tmp_path) == [{"phase": "teacher"}, {"step": 3}, {"step": 3, "dev": {"f1": 1.0}}]
    Metrics.resumed(tmp_path, -1).close()
    assert read(tmp_path) == [{"phase": "teacher"}]


@pytest.mark.parametrize("kept", range(1, 12))
def test_a_line_cut_by_a_kill_is_dropped_and_the_next_stands_alone(tmp_path, kept):
    whole = written(tmp_path, range(2))
    last = len(whole.splitlines(keepends=True)[-1])
    (tmp_path / "metrics.jsonl").write_bytes(whole[: len(whole) - last + kept])
    assert read(tmp_path) == [record(0)]
    assert written(tmp_path, [1]) == whole


def test_a_killed_process_leaves_what_it_logged(tmp_path):
    code = (
        f"import os, signal; from pathlib import Path; from opdf.report import Metrics; m = Metrics(Path({str(tmp_path)!r}))\n"
        "for step in range(3): m.log({'step': step})\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == -9
    assert [r["step"] for r in read(tmp_path)] == [0, 1, 2]


def test_no_number_makes_invalid_json(tmp_path):
    odd = {"step": 1, "loss": math.nan, "terms": {"a": math.inf, "b": [-math.inf, np.float32("nan")]}, "none": None}
    with Metrics(tmp_path) as metrics:
        metrics.log(odd)
    line = (tmp_path / "metrics.jsonl").read_text()
    json.loads(line, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    back = read(tmp_path)[0]
    assert math.isnan(back["loss"])
    assert math.isnan(back["terms"]["b"][1])
    assert (back["terms"]["a"], back["terms"]["b"][0], back["none"]) == (math.inf, -math.inf, None)


@pytest.mark.parametrize("array", [np.asarray, torch.tensor, jnp.asarray])
def test_arrays_of_every_library_are_numbers(tmp_path, array):
    with Metrics(tmp_path) as metrics:
        metrics.log({"step": array(3), "loss": array(0.5), "entropies": {"w": array([1.0, 2.0])}})
    assert read(tmp_path) == [{"step": 3, "loss": 0.5, "entropies": {"w": [1.0, 2.0]}}]


def test_no_file_is_no_records(tmp_path):
    assert read(tmp_path) == []
    Metrics.resumed(tmp_path, 5).close()
    assert read(tmp_path) == []


def test_a_line_that_is_no_object_is_named(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n[2]\n')
    with pytest.raises(TensorNetError, match=r"line 2 of .*metrics\.jsonl is b'\[2\]\\n'; needed a JSON object"):
        read(tmp_path)


def test_a_full_disk_is_said(tmp_path):
    metrics = Metrics(tmp_path)
    (tmp_path / "metrics.jsonl").symlink_to("/dev/full")
    with pytest.raises(
        TensorNetError, match=r"Metrics: .*metrics\.jsonl takes no more \(No space left on device\); needed room"
    ):
        metrics.log(record(0))


def test_series_follow_a_path():
    records = [record(0), {"step": 1, "dev": {"f1": 0.5}}, {"phase": "teacher", "terms": {"kd": 9}}, record(2)]
    assert list(series(records, "terms", "kd")) == [(0, 0.0), (2, 0.5)]
    assert list(series(records, "dev", "f1")) == [(1, 0.5)]


@pytest.mark.parametrize("array", [np.asarray, list])
def test_scalars_are_named_by_their_path(array):
    found = dict(
        scalars({"step": 4, "phase": "train", "loss": 1, "terms": {"kd": 0.5}, "entropies": {"a.b": array([1.0, 2.0])}})
    )
    assert found == {"loss": 1.0, "terms/kd": 0.5, "entropies/a.b/0": 1.0, "entropies/a.b/1": 2.0}
