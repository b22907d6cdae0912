"""The table [sweep]: what it means, and what is refused before anything runs."""

import json
from contextlib import nullcontext
from pathlib import Path

import pytest

from opdf.cli import main
from opdf.sweep import read
from opdf.sweep._command import command
from opdf.sweep._record import record
from tensornet import TensorNetError

BASE = """
[task]
name = "fashion_mnist"
folder = "/data/here"
[training]
epochs = 3
"""


def swept(tmp_path, table, whole=None, **options):
    path = tmp_path / "config.toml"
    path.write_text(whole or BASE + table)
    return read(path, tmp_path / "out", **options)[0]


def test_arms_points_and_what_a_run_is(tmp_path):
    made = swept(
        tmp_path,
        """
        [sweep]
        seeds = 4
        select_seeds = 3
        workers = 7
        baseline = "plain"
        [sweep.grid]
        "training.lr" = [1e-4, 3e-4, 3e-4]
        [sweep.arms.plain]
        [sweep.arms.tensors]
        title = "MPO"
        opdf.on = true
        "opdf.cores" = 3
        [sweep.arms.tensors.grid]
        opdf.alignment = [1, 10]
        [sweep.arms.fixed]
        training.lr = 1
        """,
    )
    assert (made.seeds, made.select_seeds, made.baseline) == (4, 3, "plain")
    plain, tensors, fixed = made.arms
    assert [p.name for p in plain.points] == ["training.lr=0.0001", "training.lr=0.0003"]
    assert [dict(p.values) for p in tensors.points] == [
        {"training.lr": lr, "opdf.alignment": weight} for lr in (1e-4, 3e-4) for weight in (1.0, 10.0)
    ]
    assert tensors.points[3].name == "training.lr=0.0003,opdf.alignment=10.0"
    assert (plain.title, tensors.title) == ("plain", "MPO")
    assert [(p.name, p.config.training.lr) for p in fixed.points] == [("default", 1.0)]

    job = tensors.jobs(tensors.points[3], 4)[2]
    config = made.config(job, pace=1.5)
    assert config.out == tmp_path / "out" / "tensors" / "training.lr=0.0003,opdf.alignment=10.0" / "seed2"
    assert config.cache == tmp_path / "out" / "cache"
    assert (config.training.seed, config.training.threads, config.training.epochs) == (2, 1, 4.5)
    assert (config.opdf.on, config.opdf.cores, config.opdf.alignment, config.training.lr) == (True, 3, 10.0, 3e-4)


def test_the_command_line_is_put_over_the_file(tmp_path):
    table = '[sweep.grid]\n"training.lr" = [1]\n"kd.alpha" = [0.1, 0.2]'
    grid = ("training.lr=1e-4,3e-4", "training.schedule=linear,cosine")
    made = swept(tmp_path, table, seeds=1, grid=grid, overrides=("training.device=cuda", "teacher.epochs=7"))
    (arm,) = made.arms
    assert (arm.name, made.seeds, made.select_seeds) == ("kd", 1, 1)  # no arms: the configuration as it is
    assert len(arm.points) == 8
    assert arm.points[-1].name == "training.lr=0.0003,kd.alpha=0.2,training.schedule=cosine"
    assert {(p.config.training.device, p.config.teacher.epochs) for p in arm.points} == {("cuda", 7.0)}


def test_a_configuration_without_a_table_is_one_arm(tmp_path):
    (arm,) = swept(tmp_path, "").arms
    assert [p.name for p in arm.points] == ["default"]


def test_an_equal_time_arm_finds_the_arm_that_it_is(tmp_path):
    arms = """
        [sweep.arms.a]
        [sweep.arms.b]
        opdf.on = true
        [sweep.arms.c]
        same_time_as = "b"
        [sweep.arms.d]
        same_time_as = "b"
        kd.alpha = 0.1
    """
    made = swept(tmp_path, arms)
    assert [arm.twin for arm in made.arms] == [None, None, "a", None]


def test_the_example_in_the_documentation(tmp_path):
    page = (Path(__file__).parents[3] / "docs" / "sweep.md").read_text()
    made = swept(tmp_path, "", whole=page.partition("```toml\n")[2].partition("```")[0])
    assert [(arm.title, len(arm.points)) for arm in made.arms] == [
        ("KD", 3),
        ("KD + MPO + alignment", 6),
        ("KD, as long as OPDF", 3),
    ]
    assert (made.arms[2].twin, made.keep_students) == ("kd", False)


REFUSED = {
    "unknown key in an arm": ("[sweep.arms.a]\ntraining.lrr = 1", "no key 'training.lrr', needed training.lr"),
    "a short key": ("[sweep.grid]\nlr = [1]", "no key 'lr', needed teacher.lr or training.lr"),
    "nothing like it": ("[sweep.grid]\nzzzzz = [1]", "needed one of a configuration"),
    "unknown key of the table": ("[sweep]\nseed = 3", "'sweep.seed' that nobody knows, needed sweep.seeds"),
    "unknown baseline": ('[sweep]\nbaseline = "x"\n[sweep.arms.a]', "baseline = 'x' is no arm, needed one of a"),
    "empty grid": ("[sweep.grid]\ntraining.lr = []", r"the grid of training.lr is \[\]"),
    "a grid that is one value": ("[sweep.grid]\ntraining.lr = 1", "the grid of training.lr is 1"),
    "a grid that is no table": ("[sweep.arms.a]\ngrid = 1", "1 in place of a table"),
    "a value of another type": ('[sweep.arms.a]\ntraining.lr = "x"', "training.lr = 'x' is a str"),
    "a grid value of another type": ('[sweep.grid]\ntraining.lr = [1e-4, "x"]', "training.lr = 'x' is a str"),
    "a value that no run can have": (
        "[sweep.grid]\ntraining.lr = [1e-4, -1]",
        "training.lr = -1.0, needed a number above 0",
    ),
    "values that do not go together": ("[sweep.arms.a]\nopdf.alignment = 1", "with opdf.on = false"),
    "no seeds": ("[sweep]\nseeds = 0", "seeds=0"),
    "no selecting seeds": ("[sweep]\nselect_seeds = 0", "select_seeds=0"),
    "seeds that are no number": ('[sweep]\nseeds = "x"', "sweep.seeds = 'x' is a str"),
    "same_time_as of no arm": ('[sweep.arms.a]\nsame_time_as = "b"', "same_time_as = 'b' is no arm"),
    "a circle": (
        '[sweep.arms.a]\nsame_time_as = "b"\n[sweep.arms.b]\nsame_time_as = "a"',
        "goes in a circle, a → b → a",
    ),
    "the same time as itself": ('[sweep.arms.a]\nsame_time_as = "a"', "goes in a circle, a → a"),
    "an arm that is no folder": ('[sweep.arms."a/b"]', "the arm 'a/b'"),
    "an arm named as the cache": ("[sweep.arms.cache]", "the arm 'cache'"),
    "an arm that is no table": ("[sweep.arms]\na = 1", "the arm 'a' = 1"),
    "a key given twice": ("[sweep.arms.a]\nkd.alpha = 0.1\ngrid.kd.alpha = [0.2]", "kd.alpha itself and in its grid"),
    "the seed": ("[sweep.grid]\ntraining.seed = [1, 2]", "training.seed is set.*give --seeds"),
    "the folder": ('[sweep.arms.a]\nout = "x"', "out is set.*give --out"),
    "the cache": ('[sweep.arms.a]\ncache = "x"', "cache is set"),
    "what the arm does not read": (
        "[sweep.arms.a]\nopdf.cores = 5",
        "'a' gives opdf.cores, which is not read, because opdf.on is false",
    ),
    "a grid that the arm does not read": ("[sweep.arms.a.grid]\nkd.beta = [1, 2]", "gives kd.beta, which is not read"),
    "two points of one name": (
        '[sweep.arms.a.grid]\ntask.folder = ["/x/a", "/x_a"]',
        "two points 'task.folder=_x_a', needed names that differ",
    ),
    "a grid of lengths, and equal time": (
        '[sweep.arms.b]\n[sweep.arms.a]\nsame_time_as = "b"\ngrid.training.epochs = [1, 4]',
        "'a' varies training.epochs and has same_time_as",
    ),
    "no configuration": ("[training]\nlr = 3", "cannot be read"),
}


@pytest.mark.parametrize(("table", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(table, message, tmp_path):
    with pytest.raises(TensorNetError, match=message) as caught:
        swept(tmp_path, table)
    assert ";" in str(caught.value)  # what is wrong; what to do
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 0}, "seeds=0"),
        ({"grid": ("training.lr",)}, "'training.lr' assigns nothing"),
        ({"grid": ("training.lr=",)}, r"the grid of training.lr is \[\]"),
        ({"grid": ("training.lr=fast",)}, "training.lr = 'fast' is a str"),
        ({"overrides": ("=3",)}, "'=3' assigns nothing"),
        ({"overrides": ("out=x",)}, "out is set"),
    ],
)
def test_refused_on_the_command_line(options, message, tmp_path):
    with pytest.raises(TensorNetError, match=message):
        swept(tmp_path, "", **options)


def test_an_arm_that_gets_or_loses_equal_time_is_another_arm(tmp_path):
    plain, timed = "[sweep.arms.a]\n[sweep.arms.b]\nopdf.on = true", "\nsame_time_as = 'a'"
    record(swept(tmp_path, plain))
    trained = tmp_path / "out" / "b" / "default" / "seed0"
    trained.mkdir(parents=True)
    (trained / "metrics.jsonl").write_text("{}\n")
    with pytest.raises(TensorNetError, match="with same_time_as = None then, 'a' now"):
        record(swept(tmp_path, plain + timed))
    path = tmp_path / "out" / "sweep.json"
    written = json.loads(path.read_text())
    del written["b/default"]["same_time_as"]  # as older programs wrote it: not known
    path.write_text(json.dumps(written))
    record(swept(tmp_path, plain + timed))


@pytest.mark.parametrize("on", [True, False])
def test_records_older_than_lr_transfer_are_of_plain_steps(tmp_path, on):
    table = f"[sweep.grid]\ntraining.lr = [1]\n[sweep.arms.a]\nopdf.on = true\nopdf.lr_transfer = {str(on).lower()}"
    made = swept(tmp_path, table)
    record(made)
    path, folder = tmp_path / "out" / "sweep.json", tmp_path / "out" / "a" / "training.lr=1.0" / "seed0"
    written = json.loads(path.read_text())
    del written["a/training.lr=1.0"]["opdf.lr_transfer"]
    path.write_text(json.dumps(written))
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text("{}\n")
    refused = pytest.raises(TensorNetError, match=r"with opdf.lr_transfer = False then, True now")
    with refused if on else nullcontext():
        record(made)


def test_the_command_says_so_and_exits_with_2(tmp_path, monkeypatch, capsys):
    path = tmp_path / "config.toml"
    path.write_text(BASE)
    for arguments in (["--grid", "lr=1"], ["--workers", "0"]):
        monkeypatch.setattr("sys.argv", ["opdf", "sweep", str(path), "--out", str(tmp_path / "out"), *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        assert "opdf sweep: " in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_models_in_folders_of_one_name_are_told_apart(tmp_path):
    """Those of runs are all called student, or compact."""
    for n in (1, 2):
        folder = tmp_path / f"{n}" / "student"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(bytes([n]) * 100)
    table = "[sweep.arms.a]\nteacher.source = "
    record(swept(tmp_path, table + f'"{tmp_path}/1/student"'))
    trained = tmp_path / "out" / "a" / "default" / "seed0"
    trained.mkdir(parents=True)
    (trained / "metrics.jsonl").write_text("{}\n")
    (tmp_path / "1").rename(tmp_path / "3")
    record(swept(tmp_path, table + f'"{tmp_path}/3/student"'))
    with pytest.raises(
        TensorNetError, match=r"runs of a/default with teacher.source = 'student, .*' then, 'student, .*' now"
    ):
        record(swept(tmp_path, table + f'"{tmp_path}/2/student"'))


def test_a_model_that_is_not_on_this_machine_is_known_by_its_name(tmp_path):
    """As where a folder of runs is only to be reported; and that its weights were known is not forgotten."""
    folder = tmp_path / "student"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    made = swept(tmp_path, f'[sweep.arms.a]\nteacher.source = "{folder}"')
    record(made)
    trained = tmp_path / "out" / "a" / "default" / "seed0"
    trained.mkdir(parents=True)
    (trained / "metrics.jsonl").write_text("{}\n")
    folder.rename(tmp_path / "away")
    record(made)
    (tmp_path / "away").rename(folder)
    (folder / "config.json").write_text("{ }")
    with pytest.raises(TensorNetError, match=r"teacher.source = 'student, .*' then, 'student, .*' now"):
        record(made)


def test_the_run_that_times_an_arm_is_a_run_of_its_configuration(tmp_path):
    arms = "[sweep.arms.a]\nopdf.on = true\n[sweep.arms.b]\nsame_time_as = 'a'\nkd.alpha = 0.1"
    record(swept(tmp_path, arms))
    trained = tmp_path / "out" / "b" / "unscaled" / "seed0"
    trained.mkdir(parents=True)
    (trained / "metrics.jsonl").write_text("{}\n")
    with pytest.raises(TensorNetError, match=r"holds runs of b/unscaled with kd.alpha = 0.1 then, 0.2 now"):
        record(swept(tmp_path, arms.replace("0.1", "0.2")))


def test_what_the_system_refuses_is_one_message(tmp_path):
    (tmp_path / "sweep.toml").write_text(BASE)
    (tmp_path / "file").write_text("")
    with pytest.raises(
        TensorNetError, match=r"opdf sweep: the system refuses to go on \(.*File exists.*\), needed room"
    ):
        command([str(tmp_path / "sweep.toml"), "--out", str(tmp_path / "file"), "--workers", "1"])


def test_a_folder_of_another_sweep_is_refused(tmp_path):
    """Not where paths or the machine differ, not for points that are new, and not before something has been trained."""
    table = "[sweep.grid]\ntraining.lr = [1]\n[sweep.arms.a]\nkd.alpha = 0.3"
    first = swept(tmp_path, table)
    record(first)
    record(swept(tmp_path, table.replace("0.3", "0.2")))  # corrected before any run
    written = json.loads((tmp_path / "out" / "sweep.json").read_text())
    del written["a/training.lr=1.0"]["kd.temperature"]  # of a program that did not know it
    (tmp_path / "out" / "sweep.json").write_text(json.dumps(written))
    folder = tmp_path / "out" / "a" / "training.lr=1.0" / "seed0"
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text("{}\n")
    with pytest.raises(
        TensorNetError, match=r"runs of a/training.lr=1.0 with kd.alpha = 0.2 then, 0.3 now.*; take another"
    ):
        record(first)
    elsewhere = table.replace("0.3", "0.2").replace("[1]", "[1, 2]") + "\n[sweep.arms.b]"
    wider = swept(
        tmp_path, elsewhere, overrides=("task.folder=/mnt/here", "training.device=cuda", "training.threads=4")
    )
    record(wider)
    written = json.loads((tmp_path / "out" / "sweep.json").read_text())
    assert sorted(written) == ["a/training.lr=1.0", "a/training.lr=2.0", "b/training.lr=1.0", "b/training.lr=2.0"]
    assert "/" not in written["a/training.lr=1.0"]["task.folder"]
