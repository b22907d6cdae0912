"""Configurations as TOML: what is written is read back the same, what nobody knows is refused."""

import dataclasses
import tomllib
import typing

import pytest

from opdf.distill import Config, parsed, read
from opdf.distill._toml import PLACES, differences, to_toml, value_at
from opdf.tasks import TaskSpec
from tensornet import TensorNetError

SMALL = {"task": {"name": "mrpc"}}


def test_what_is_written_is_read_back_the_same(tmp_path):
    config = parsed(
        {**SMALL, "opdf": {"on": True, "rules": ["a", "b.*"]}, "training": {"max_grad_norm": 2}, "out": "x/y"}
    )
    path = tmp_path / "config.toml"
    path.write_text(to_toml(config))
    assert read(path) == config
    assert config.training.max_grad_norm == 2.0
    assert config.opdf.rules == ("a", "b.*")


def test_none_is_a_default_alone(tmp_path):
    """TOML has no null: what is None is not written, and read back as its default."""
    flat = to_toml(parsed(SMALL))
    assert parsed(tomllib.loads(flat)) == parsed(SMALL)
    for section in (
        Config,
        *(f.default_factory for f in dataclasses.fields(Config) if dataclasses.is_dataclass(f.default_factory)),
    ):
        hints = typing.get_type_hints(section)
        for f in dataclasses.fields(section):
            assert type(None) not in typing.get_args(hints[f.name]) or f.default is None, f"{section.__name__}.{f.name}"
    unlimited = parsed(SMALL, {"training.max_grad_norm": float("inf")})
    assert parsed(tomllib.loads(to_toml(unlimited))) == unlimited


def test_what_is_left_out_has_its_default():
    assert parsed(SMALL) == Config(TaskSpec("mrpc"))


def test_overrides_go_over_the_file_and_leave_their_neighbours():
    config = parsed({**SMALL, "training": {"lr": 1e-3, "epochs": 7.0}}, {"training.lr": 1e-4, "opdf.on": True})
    assert (config.training.lr, config.training.epochs, config.opdf.on) == (1e-4, 7.0, True)


def test_the_table_of_sweeps_is_left_to_them(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(to_toml(parsed(SMALL)) + "\n[sweep]\nseeds = 3\n")
    assert read(path) == parsed(SMALL)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({**SMALL, "trainning": {}}, "'trainning' that nobody knows, needed training"),
        ({**SMALL, "training": {"learning_rate": 1.0}}, "'training.learning_rate' that nobody knows"),
        ({"training": {}}, "lacks task"),
        ({"task": {}}, "lacks task.name"),
        ({"task": {"name": "mrcp"}}, "task.name = 'mrcp' is a str, needed one of 'sst2', 'mrpc'"),
        ({**SMALL, "training": {"lr": "1e-4"}}, "training.lr = '1e-4' is a str, needed a value of type float"),
        ({**SMALL, "training": {"batch_size": 3.5}}, "needed a value of type int"),
        ({**SMALL, "training": {"seed": True}}, "needed a value of type int"),
        ({**SMALL, "opdf": {"on": 1}}, "needed a value of type bool"),
        ({**SMALL, "opdf": {"rules": "layers"}}, "needed a list of str"),
        ({**SMALL, "opdf": True}, "needed a table"),
        ({**SMALL, "out": 3}, "needed a value of type Path"),
    ],
)
def test_what_is_no_configuration_is_refused(table, said):
    with pytest.raises(TensorNetError, match="opdf: ") as caught:
        parsed(table)
    assert said in str(caught.value)


def test_a_file_that_is_none(tmp_path):
    (tmp_path / "broken.toml").write_text("[task\n")
    for name in ("broken.toml", "absent.toml"):
        with pytest.raises(TensorNetError, match="cannot be read"):
            read(tmp_path / name)


def test_places_may_differ_and_nothing_else():
    one = parsed(SMALL)
    for key in PLACES:
        value_at(one, key)  # it exists
    moved = dataclasses.replace(one, out=one.out / "elsewhere", training=dataclasses.replace(one.training, threads=3))
    assert differences(one, moved) == []
    other = parsed(SMALL, {"training.lr": 1.0, "kd.alpha": 0.25})
    assert differences(one, other) == ["kd.alpha", "training.lr"]
