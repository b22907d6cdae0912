"""A run in a file: every framework to the bit, plain safetensors, whole or not at all."""

import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
import torch

import tensornet as tn
from tensornet.files import Run

FMT = tn.MPO((4, 1, 3), (3, 1, 2))
MAKE = {"numpy": np.asarray, "torch": torch.tensor, "jax": jnp.asarray}


def run(framework="numpy", dtype=np.float32):
    rng = np.random.default_rng(0)

    def arrays():
        made = {"fc.weight": [*FMT.shapes], "fc.bias": [(12,)], "scale": [()]}
        return {n: tuple(MAKE[framework](rng.standard_normal(s).astype(dtype)) for s in v) for n, v in made.items()}

    return Run({"fc.weight": FMT}, arrays(), {"mu": arrays(), "nu": arrays()}, 7)


def same(a, b):
    assert (a.formats, a.step, a.values.keys(), a.moments.keys()) == (
        b.formats,
        b.step,
        b.values.keys(),
        b.moments.keys(),
    )
    for x, y in ((a.values, b.values), *((a.moments[k], b.moments[k]) for k in a.moments)):
        assert x.keys() == y.keys()
        for name in x:
            assert all(np.array_equal(np.asarray(p), np.asarray(q)) for p, q in zip(x[name], y[name], strict=True))


@pytest.mark.parametrize("writer", MAKE)
@pytest.mark.parametrize("reader", MAKE)
def test_what_one_writes_the_other_reads(writer, reader, tmp_path):
    run(writer).save(tmp_path / "run")
    read = Run.load(tmp_path / "run", framework=reader)
    same(read, run())
    assert type(read.values["fc.bias"][0]) is type(MAKE[reader](np.zeros(2)))


def test_halves_and_mixtures_are_kept(tmp_path):
    mixed = run()
    mixed.values["scale"] = (torch.tensor([1.5], dtype=torch.bfloat16),)
    mixed.values["fc.bias"] = (torch.ones(12, dtype=torch.float64),)
    mixed.save(tmp_path / "run")
    read = Run.load(tmp_path / "run", framework="torch").values
    assert torch.equal(read["scale"][0], mixed.values["scale"][0])
    assert read["fc.bias"][0].dtype == torch.float64


def test_it_is_plain_safetensors_under_plain_names(tmp_path):
    run().save(tmp_path / "run")
    tensors = safetensors.numpy.load_file(tmp_path / "run")
    assert {"values/fc.weight.0", "values/fc.bias", "mu/fc.weight.2", "nu/scale"} <= set(tensors)
    assert np.array_equal(tensors["nu/scale"], run().moments["nu"]["scale"][0])


def test_a_run_without_moments_and_of_no_format(tmp_path):
    values = run().values
    with pytest.raises(tn.TensorNetError, match=r"one array of any other.*the format of fc.weight"):
        Run({}, values, {}, 0)
    with pytest.raises(tn.TensorNetError, match=r"MPO: got factors of shapes"):
        Run({"fc.weight": tn.MPO((12,), (6,))}, values, {}, 0)
    del values["fc.weight"]
    bare = Run({}, values, {}, 0)
    bare.save(tmp_path / "run")
    same(Run.load(tmp_path / "run"), bare)


def test_other_names_go_through_all_of_it(tmp_path):
    renamed = run().renamed({"fc.weight": "dense.kernel"})
    assert list(renamed.formats) == ["dense.kernel"]
    assert [set(m) for m in (renamed.values, *renamed.moments.values())] == [{"dense.kernel", "fc.bias", "scale"}] * 3
    same(renamed.renamed(lambda name: name.replace("dense.kernel", "fc.weight")), run())
    renamed.check({"dense.kernel": FMT}, {"dense.kernel": list(FMT.shapes), "fc.bias": [(12,)], "scale": [()]})


def test_a_failure_leaves_the_old_file(tmp_path):
    run().save(tmp_path / "run")
    with pytest.raises(tn.TensorNetError):
        run(dtype=np.int32).save(tmp_path / "run")
    same(Run.load(tmp_path / "run"), run())
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
