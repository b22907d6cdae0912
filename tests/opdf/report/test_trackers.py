"""TensorBoard's events are read back; W&B writes a run without a network; what is missing is said."""

import subprocess
import sys
from pathlib import Path

import pytest
import wandb

from opdf.report import TensorBoard, WandB, check_trackers, trackers
from tensornet import TensorNetError


def records(*steps: int) -> list[dict]:
    return [{"step": s, "loss": s / 4, "entropies": {"w": [0.5, 2.0 * s]}} for s in steps]


def scalars_of(folder: Path, tag: str) -> list[tuple[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(tag)]


def test_tensorboard_shows_every_number(tmp_path):
    with TensorBoard(tmp_path) as board:
        for record in [*records(0, 1, 2), {"phase": "no step"}]:
            board.log(record)
    assert scalars_of(tmp_path, "loss") == [(0, 0.0), (1, 0.25), (2, 0.5)]
    assert scalars_of(tmp_path, "entropies/w/1") == [(0, 0.0), (1, 2.0), (2, 4.0)]


def test_tensorboard_has_every_record_at_once(tmp_path):
    board = TensorBoard(tmp_path)
    board.log(records(1)[0])
    assert scalars_of(tmp_path, "loss") == [(1, 0.25)]
    board.close()


def test_tensorboard_forgets_the_steps_that_a_resumed_run_repeats(tmp_path):
    with TensorBoard(tmp_path) as board:
        for record in records(0, 1, 2, 3):
            board.log(record)
    with TensorBoard(tmp_path) as board:
        board.log({"step": 2, "loss": 9.0})
    assert scalars_of(tmp_path, "loss") == [(0, 0.0), (1, 0.25), (2, 9.0)]


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """No login, and no network if it were asked for; W&B looks at it once, and forgets it at the teardown."""
    for name, value in {"HOME": tmp_path, "NETRC": tmp_path / "netrc", "WANDB_BASE_URL": "http://127.0.0.1:9"}.items():
        monkeypatch.setenv(name, str(value))
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    yield monkeypatch
    wandb.teardown()


@pytest.fixture
def offline(environment):
    environment.setenv("WANDB_MODE", "offline")


def test_wandb_writes_its_run_offline_and_resumes_it(tmp_path, offline):
    for _ in range(2):
        with WandB(tmp_path, "mine", "project", {"out": tmp_path}) as run:
            for record in records(0, 1, 2):
                run.log(record)
    wandb.teardown()  # as at the end of a process: waits for what its own process has to write
    identity = (tmp_path / "wandb" / "id").read_text()
    files = list(tmp_path.glob("wandb/offline-run-*/*.wandb"))
    assert files
    assert {file.name for file in files} == {f"run-{identity}.wandb"}
    assert all(b"entropies/w/1" in file.read_bytes() for file in files)


def test_a_project_that_wandb_refuses(tmp_path, offline):
    with pytest.raises(
        TensorNetError, match=r"Weights & Biases: the project 'a/b' took no run .* set WANDB_MODE=offline"
    ):
        trackers(tmp_path, tensorboard=True, wandb="a/b")  # that TensorBoard's file was left open would be a warning


def test_without_a_login_there_is_no_prompt_but_an_error(tmp_path, environment):
    with pytest.raises(TensorNetError, match=r"the project 'project' took no run .* log in by `wandb login`"):
        WandB(tmp_path, "mine", "project", {})


def test_what_is_asked_for_is_made(tmp_path, offline):
    assert trackers(tmp_path) == []
    made = trackers(tmp_path, tensorboard=True, wandb="project", config={"lr": 0.1})
    assert [type(tracker) for tracker in made] == [TensorBoard, WandB]
    for tracker in made:
        tracker.log(records(3)[0])
        tracker.close()
    assert scalars_of(tmp_path, "loss") == [(3, 0.75)]


@pytest.mark.parametrize(
    ("package", "options"), [("tensorboard", {"tensorboard": True}), ("wandb", {"wandb": "project"})]
)
def test_a_missing_package_is_said_before_anything_is_written(tmp_path, monkeypatch, package, options):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        TensorNetError, match=rf"the package {package} is not installed; .* pip install 'opdf\[track\]'"
    ):
        check_trackers(**options)
    with pytest.raises(TensorNetError, match=package):
        trackers(tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_the_package_loads_no_framework_and_no_tracker():
    code = "import sys, opdf.report; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "jax", "tensorboard", "wandb", "matplotlib", "numpy"} & set(loaded)
