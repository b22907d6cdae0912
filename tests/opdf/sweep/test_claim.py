"""A run has one worker, also where many want it, and none that is dead keeps it."""

import json
import os
import platform
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from opdf.sweep import _claim
from opdf.sweep._claim import SILENCE, holder, remove, take


@pytest.fixture
def dead():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def leave(folder, number=0, host=None, pid=1, silent=0.0, among=None):
    """A claim as another process left it."""
    path = folder / f"claim.{number}"
    path.write_text(json.dumps({"host": host or platform.node(), "pid": pid, "processes": among or _claim.processes()}))
    os.utime(path, (time.time() - silent,) * 2)


def race(folder, monkeypatch, dead=None):
    """What sixteen processes get that want it at once; threads, which give themselves out as such."""
    together = threading.Barrier(16)
    monkeypatch.setattr(_claim.os, "getpid", threading.get_ident)
    monkeypatch.setattr(_claim, "_alive", lambda pid: pid != dead)

    def want(_):
        together.wait()
        return take(folder)

    with ThreadPoolExecutor(16) as pool:
        return [c for c in pool.map(want, range(16)) if c]


def test_one_of_many_gets_it_and_gives_it_back(tmp_path, monkeypatch):
    (mine,) = race(tmp_path, monkeypatch)
    held = holder(tmp_path)
    assert (held.host, held.number, held.stale) == (platform.node(), 0, False)
    mine.release()
    assert list(tmp_path.iterdir()) == []


def test_a_living_process_keeps_it(tmp_path):
    leave(tmp_path, pid=os.getppid())
    assert take(tmp_path) is None
    leave(tmp_path, pid=os.getppid(), silent=SILENCE + 60)  # its number is a stranger's by now, or it hangs
    assert take(tmp_path).path.name == "claim.1"


def test_a_dead_one_here_is_taken_over_at_once(tmp_path, dead):
    leave(tmp_path, pid=dead)
    mine = take(tmp_path)
    assert mine.path.name == "claim.1"
    mine.release()
    assert list(tmp_path.iterdir()) == []


def test_one_of_many_takes_it_over(tmp_path, monkeypatch):
    for number in range(20):
        folder = tmp_path / str(number)
        folder.mkdir()
        leave(folder, pid=-5)
        (mine,) = race(folder, monkeypatch, dead=-5)
        assert mine.path.name == "claim.1"
        mine.release()


@pytest.mark.parametrize(
    "where", [{"host": "elsewhere"}, {"among": "another boot, or container"}], ids=["host", "container"]
)
def test_another_machine_is_believed_for_a_while(tmp_path, dead, where):
    """Also one of this one's name, as containers and copies of a virtual machine have."""
    leave(tmp_path, pid=dead, **where)
    assert take(tmp_path) is None
    leave(tmp_path, pid=dead, silent=SILENCE - 60, **where)
    assert take(tmp_path) is None
    leave(tmp_path, pid=dead, silent=SILENCE + 60, **where)
    assert where.get("host", platform.node()) in str(holder(tmp_path))
    assert take(tmp_path) is not None


def test_one_that_has_been_taken_over_leaves_the_new_claim_alone(tmp_path):
    mine = take(tmp_path)
    leave(tmp_path, number=1, host="elsewhere")
    mine.release()
    assert [p.name for p in tmp_path.iterdir()] == ["claim.1"]
    remove(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_living_claim_is_touched(tmp_path, monkeypatch):
    monkeypatch.setattr(_claim, "BEAT", 0.01)
    mine = take(tmp_path)
    os.utime(mine.path, (0, 0))
    until = time.monotonic() + 10
    while holder(tmp_path).silent > 60 and time.monotonic() < until:
        time.sleep(0.01)
    assert holder(tmp_path).silent < 60
    mine.release()
