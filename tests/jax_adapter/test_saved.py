"""Compressed parameters in a folder: the same tree comes back, or the folder is refused."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax_adapter.students import params
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import tensornet as tn
import tensornet_jax as tnj

FILE = "model.safetensors"


def factorized(dtype=np.float32):
    """Of random factors: nothing is decomposed."""
    fmt, rng = tn.LowRank(6, 12, 3), np.random.default_rng(0)
    p = params(0, dtype)
    factors = tuple(jnp.asarray(rng.standard_normal(s), dtype) for s in fmt.shapes)
    p["head"]["kernel"] = tnj.Factorized(factors, fmt, transposed=True)
    return p


@pytest.fixture
def folder(tmp_path):
    tnj.save_pretrained(factorized(), tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("dtype", [np.float32, np.float64, jnp.bfloat16])
def test_it_comes_back_to_the_bit(dtype, tmp_path):
    p = factorized(dtype)
    tnj.save_pretrained(p, tmp_path)
    back = tnj.from_pretrained(tmp_path, jax.eval_shape(lambda: params(0)))
    assert jax.tree.structure(back) == jax.tree.structure(p)
    for a, b in zip(jax.tree.leaves(back), jax.tree.leaves(p), strict=True):
        assert a.dtype == b.dtype
        assert np.array_equal(np.asarray(a), np.asarray(b))
    assert [f.name for f in tmp_path.iterdir()] == [FILE]
    with_function = params(0) | {"activation": jnp.tanh}  # as a module of Equinox has
    assert tnj.from_pretrained(tmp_path, with_function)["activation"] is jnp.tanh


def test_without_a_tree_it_is_a_dict_by_name(folder):
    held = tnj.from_pretrained(folder)
    assert held["head.kernel"].shape == (12, 6)
    assert set(held) == {"head.kernel", "head.bias", "norm.scale", "norm.bias"} | {
        f"blocks.{k}.{n}" for k in (0, 1) for n in ("kernel", "bias")
    }


def test_a_stack_comes_back(tmp_path):
    fmt = tn.LowRank(3, 4, 2)
    stack = tnj.Factorized(tuple(jnp.ones((5, *s)) for s in fmt.shapes), fmt)
    tnj.save_pretrained({"layers": stack}, tmp_path)
    assert tnj.from_pretrained(tmp_path)["layers"].shape == (5, 3, 4)


def test_the_note_may_stand_in_a_config_as_transformers_has_it(folder):
    tensors, held = load_file(folder / FILE), tnj.from_pretrained(folder)
    with safe_open(folder / FILE, "np") as file:
        note = json.loads(file.metadata()["tensornet"])
    save_file(tensors, folder / FILE)
    (folder / "config.json").write_text(json.dumps({"architectures": ["Student"], "tensornet": note}))
    again = tnj.from_pretrained(folder)
    assert jax.tree.structure(again) == jax.tree.structure(held)
    assert jax.tree.all(jax.tree.map(jnp.array_equal, again, held))


def refused(folder, match, like=None):
    with pytest.raises(tn.TensorNetError, match=match) as caught:
        tnj.from_pretrained(folder, like)
    assert ";" in str(caught.value)


def test_other_folders_are_refused(folder, tmp_path):
    refused(tmp_path / "nothing", "is not there, needed a .safetensors file")
    save_file({"weight": np.zeros((2, 2))}, tmp_path / FILE)
    refused(tmp_path, r"config.json notes no formats .*load a dense one as ever")
    (tmp_path / "config.json").write_text(json.dumps({"tensornet": {"plan": 3}}))
    refused(tmp_path, "has a note of formats that cannot be read")
    note = {"plan": json.loads(tn.Plan({"weight": tn.LowRank(2, 2)}).to_json()), "errors": {"weight": None}}
    (tmp_path / "config.json").write_text(json.dumps({"tensornet": note}))
    refused(tmp_path, r"has no 'factors.0', which its note of formats needs")
    save_file({"factors.0": np.zeros((2, 3)), "factors.1": np.zeros((3, 2))}, tmp_path / FILE)
    refused(tmp_path, r"LowRank: got factors of shapes")
    data = (folder / FILE).read_bytes()
    (folder / FILE).write_bytes(data[:-8])
    refused(folder, "cannot be read .*needed a whole safetensors file")


def test_another_tree_is_refused(folder):
    other = params(0)
    other["head"] = {"kernel": jnp.zeros((12, 7)), "scale": jnp.zeros(1)}
    refused(
        folder,
        r"missing in the file head.scale, only in the file head.bias, of another shape head.kernel \(12, 6\)",
        other,
    )


def test_nothing_is_rounded_in_silence(tmp_path):
    p = factorized(np.float64)
    tnj.save_pretrained(p | {"steps": np.int64(7)}, tmp_path)
    with jax.enable_x64(False):
        refused(tmp_path, "is float64, which JAX holds only with jax_enable_x64")
    tnj.save_pretrained(factorized() | {"steps": np.int64(7)}, tmp_path)
    with jax.enable_x64(False):
        assert tnj.from_pretrained(tmp_path)["steps"].dtype == jnp.int32


def test_only_compressed_arrays_are_saved(tmp_path):
    with pytest.raises(tn.TensorNetError, match="save_pretrained: 0 weights are factorised"):
        tnj.save_pretrained(params(0), tmp_path / "dense")
    with pytest.raises(tn.TensorNetError, match=r"no arrays are activation \(.*\); needed"):
        tnj.save_pretrained(factorized() | {"activation": jnp.tanh}, tmp_path / "dense")
    assert not (tmp_path / "dense").exists()
