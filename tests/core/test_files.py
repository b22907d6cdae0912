"""tn.save and tn.load: every framework to the bit, plain safetensors, nothing half-written, nothing hostile taken."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import safetensors
import safetensors.numpy
import safetensors.torch
import torch
from forgery import forged
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import formats

import tensornet as tn
from tensornet.files._header import ITEMSIZE, read_header
from tensornet.files._note import is_name

FMT = tn.MPO((4, 1, 3), (3, 1, 2))
FRAMEWORKS = ("numpy", "torch", "jax")
DTYPES = ("float16", "bfloat16", "float32", "float64", "complex64", "complex128")
NAMES = st.text(min_size=1, max_size=8).filter(is_name)


def bits(x):
    """The entries of an array of any framework as bytes."""
    if isinstance(x, torch.Tensor):
        x = torch.view_as_real(x) if x.is_complex() else x
        integers = {2: torch.int16, 4: torch.int32, 8: torch.int64}  # NumPy has no bfloat16
        return x.detach().resolve_neg().view(integers[x.element_size()]).numpy().tobytes()
    return np.asarray(x).tobytes()


def made(framework, dtype, arrays):
    """The arrays in a framework and dtype."""
    if framework == "torch":
        return [torch.asarray(a).to(getattr(torch, dtype)) for a in arrays]
    return [(np if framework == "numpy" else jnp).asarray(a, dtype=getattr(jnp, dtype)) for a in arrays]


def entries(fmt, dtype, seed=0, lead=()):
    rng = np.random.default_rng(seed)
    arrays = [rng.standard_normal((*lead, *s)) for s in fmt.shapes]
    if dtype.startswith("complex"):
        return [a + 1j * rng.standard_normal(a.shape) for a in arrays]
    return arrays


def weights(seed=0):
    return {"w": (FMT, made("numpy", "float32", entries(FMT, "float32", seed)))}


def assert_same(got, want):
    assert list(got) == list(want)
    for name, (fmt, factors) in want.items():
        assert got[name][0] == fmt
        assert [tuple(f.shape) for f in got[name][1]] == [tuple(f.shape) for f in factors]
        assert [bits(f) for f in got[name][1]] == [bits(f) for f in factors]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("source", FRAMEWORKS)
def test_every_framework_reads_every_other(source, dtype, tmp_path):
    arrays = entries(FMT, dtype)
    arrays[0][0, 0] = complex(-0.0, np.inf) if dtype.startswith("complex") else np.nan
    factors = made(source, dtype, arrays)
    tn.save(tmp_path / "w", {"w": (FMT, factors)})
    for framework in FRAMEWORKS:
        fmt, got = tn.load(tmp_path / "w", framework=framework)["w"]
        assert fmt == FMT
        assert [bits(g) for g in got] == [bits(f) for f in factors]
        assert {str(g.dtype).removeprefix("torch.") for g in got} == {dtype}


@settings(max_examples=60)
@given(st.dictionaries(NAMES, st.tuples(formats(), st.sampled_from(DTYPES), st.sampled_from([(), (2,), (2, 1), (0,)]))))
def test_any_names_formats_and_dtypes(tmp_path_factory, described):
    path = tmp_path_factory.mktemp("files") / "w"
    framework = "torch" if len(described) % 2 else "numpy"
    want = {
        n: (fmt, made(framework, dtype, entries(fmt, dtype, 1, lead))) for n, (fmt, dtype, lead) in described.items()
    }
    tn.save(path, want)
    for back in FRAMEWORKS[:2]:
        assert_same(tn.load(path, framework=back), want)


def test_safetensors_alone_reads_it(tmp_path):
    both = {"b.w": (FMT, made("torch", "bfloat16", entries(FMT, "bfloat16"))), "a/w": weights()["w"]}
    both["a/w"] = (FMT, [torch.asarray(f) for f in both["a/w"][1]])
    tn.save(tmp_path / "w", both, metadata={"format": "pt"})
    plain = safetensors.torch.load_file(tmp_path / "w")
    assert set(plain) == {f"{name}.{k}" for name in both for k in range(3)}
    for name, (_, factors) in both.items():
        assert all(bits(plain[f"{name}.{k}"]) == bits(f) for k, f in enumerate(factors))
    with safetensors.safe_open(tmp_path / "w", "pt") as file:
        assert file.metadata()["format"] == "pt"
        assert json.loads(file.metadata()["tensornet"])["version"] == [1, 0]
    assert tn.files.metadata(tmp_path / "w") == {"format": "pt"}


def test_every_tensor_is_aligned(tmp_path):
    """Whatever dtypes stand together: others map the file into memory."""
    for length in range(9):
        kinds = {"a" * (length + 1): "bfloat16", "b": "float64", "c": "float32"}
        tn.save(
            tmp_path / "w",
            {n: (tn.LowRank(3, 2, 1), made("torch", d, entries(tn.LowRank(3, 2, 1), d))) for n, d in kinds.items()},
        )
        with (tmp_path / "w").open("rb") as file:
            tensors, _ = read_header(file, (tmp_path / "w").stat().st_size)
        assert all(entry.start % ITEMSIZE[entry.dtype] == 0 for entry in tensors.values())


def test_no_header_is_read_beyond_a_limit(tmp_path, monkeypatch):
    tn.save(tmp_path / "w", weights())
    monkeypatch.setattr("tensornet.files._header.LIMIT", 100)
    with pytest.raises(tn.TensorNetError, match="do not hold the header of"):
        tn.load(tmp_path / "w")


def test_a_file_that_safetensors_wrote_anew(tmp_path):
    """Tensors and metadata through another writer, with its order and its alignment."""
    tn.save(tmp_path / "w", weights())
    with safetensors.safe_open(tmp_path / "w", "np") as file:
        metadata = file.metadata()
    safetensors.numpy.save_file(safetensors.numpy.load_file(tmp_path / "w"), tmp_path / "again", metadata=metadata)
    assert_same(tn.load(tmp_path / "again"), weights())


def test_awkward_memory(tmp_path):
    """Transposed, strided, shared, conjugated and byte-swapped arrays, and those that require gradients."""
    shape = tn.LowRank(6, 6)
    block = torch.randn(12, 12)
    z = torch.randn(6, 6, dtype=torch.complex64)
    for factors in ([block[::2, ::2], block[::2, ::2].T], [block[:6, :6].requires_grad_(), block[:6, :6]]):
        tn.save(tmp_path / "w", {"w": (shape, factors)})
        assert_same(tn.load(tmp_path / "w", framework="torch"), {"w": (shape, factors)})
    lazy, plain = [z.conj(), z.conj().T], [z.conj().resolve_conj(), z.conj().T.resolve_conj()]
    tn.save(tmp_path / "w", {"w": (shape, lazy), "imag": (shape, [z.conj().imag, z.imag])})
    want = {"w": (shape, plain), "imag": (shape, [z.conj().imag.resolve_neg(), z.imag])}
    assert_same(tn.load(tmp_path / "w", framework="torch"), want)
    unit, single = tn.LowRank(1, 1), z[:1, :1].conj().imag  # contiguous, and its sign not yet in memory
    tn.save(tmp_path / "w", {"w": (unit, [single, single])})
    got = tn.load(tmp_path / "w", framework="torch")
    assert_same(got, {"w": (unit, [single.resolve_neg(), single.resolve_neg()])})
    a = np.asfortranarray(np.random.default_rng(0).standard_normal((6, 6)))
    tn.save(tmp_path / "w", {"w": (shape, [a, a.T.astype(">f8")])})
    assert_same(tn.load(tmp_path / "w"), {"w": (shape, [a, a.T])})


def test_loaded_arrays_are_ones_own(tmp_path):
    tn.save(tmp_path / "w", weights())
    for framework in ("numpy", "torch"):
        one, other = (tn.load(tmp_path / "w", framework=framework)["w"][1] for _ in range(2))
        one[0][...] = 7
        assert not (other[0] == 7).any()
    _, (first, *_) = tn.load(tmp_path / "w", framework="torch", device="meta")["w"]
    assert first.device.type == "meta"


def test_a_newer_minor_version_is_read(tmp_path):
    """With keys that nobody here knows, everywhere where one may be."""
    tn.save(tmp_path / "w", weights())

    def newer(header):
        note = json.loads(header["__metadata__"]["tensornet"])
        note.update(version=[1, 7], colour="red")
        note["weights"]["w"]["history"] = [1, {"a": 2}]
        header["__metadata__"]["tensornet"] = json.dumps(note)

    rewrite(tmp_path / "w", newer)
    assert_same(tn.load(tmp_path / "w"), weights())


def rewrite(path, change):
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[end:])


@pytest.mark.parametrize("seed", range(4))
def test_no_mutation_is_taken_for_something_else(seed, tmp_path):
    """Bytes changed, cut, doubled and swapped at random: equal data, or an error that names the file."""
    path, draw = tmp_path / "weights", random.Random(seed)
    tn.save(path, weights(), metadata={"note": "mine"})
    good = path.read_bytes()
    header = 8 + int.from_bytes(good[:8], "little")
    refused = 0
    for _ in range(500):
        data = bytearray(good)
        for _ in range(draw.choice([1, 1, 1, 2, 5])):
            at = draw.randrange(draw.choice([8, header, len(data)]))
            digit = draw.choice(b'0123456789[]{}",:-.eE \0\xff')
            mutate = draw.choice(["bit", "byte", "digit", "cut", "insert", "double"])
            if mutate == "bit":
                data[at] ^= 1 << draw.randrange(8)
            elif mutate == "byte":
                data[at] = draw.randrange(256)
            elif mutate == "digit":
                data[at] = digit
            elif mutate == "cut":
                del data[at : at + draw.randrange(1, 9)]
            elif mutate == "insert":
                data.insert(at, digit)
            else:
                data[at:at] = data[at : at + 8]
        path.write_bytes(data)
        try:
            got = tn.load(path)
        except tn.TensorNetError as error:
            assert str(path) in str(error)  # noqa: PT017
            refused += 1
        else:
            assert_same(got, weights())
    assert refused > 400


@given(formats(), st.randoms(use_true_random=False))
def test_hostile_sizes_are_refused_at_once(tmp_path_factory, fmt, draw):
    """Any integer of any format may be astronomical: the header decides before the format allocates."""
    path = tmp_path_factory.mktemp("files") / "w"
    tn.save(path, {"w": (fmt, entries(fmt, "float32"))})

    def hostile(header):
        note = json.loads(header["__metadata__"]["tensornet"])
        written = note["weights"]["w"]["format"]
        note["weights"]["w"]["format"] = changed(written)
        header["__metadata__"]["tensornet"] = json.dumps(note)

    def changed(value):
        if isinstance(value, dict):
            key = draw.choice([k for k in value if k != "format"])
            return {**value, key: changed(value[key])}
        if isinstance(value, list) and value:
            at = draw.randrange(len(value))
            return [*value[:at], changed(value[at]), *value[at + 1 :]]
        return draw.choice([10**7, 10**18, -1, 0, 1.5, "x", [[]], {}, 10**300, 10**4000])

    rewrite(path, hostile)
    start = time.perf_counter()
    with pytest.raises(tn.TensorNetError, match="load: "):
        tn.load(path)
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize("lead", [(10**300, 0), (2**62, 2**62, 0), (1,) * 200, (0,) * 200], ids=str)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_hostile_leads_with_the_right_checksums(framework, lead, tmp_path):
    """A forger writes checksums too; what no library can hold is refused all the same, and the rest is as it says."""
    path = forged(tmp_path / "w", lead)
    try:
        _, factors = tn.load(path, framework=framework)["w"]
    except tn.TensorNetError as error:
        assert "is no array of" in str(error)  # noqa: PT017
    else:
        assert factors[0].shape[: len(lead)] == lead


def test_what_was_there_stays(tmp_path, monkeypatch):
    """An error while writing, at any place, leaves the old file and nothing else."""
    path = tmp_path / "w"
    tn.save(path, weights())
    old = path.read_bytes()

    def fails(*args):
        raise OSError("disk full")

    for name in ("to_bytes", "write_header"):
        with monkeypatch.context() as patch:
            patch.setattr(f"tensornet.files._save.{name}", fails)
            with pytest.raises(OSError, match="disk full"):
                tn.save(path, weights(1))
        assert path.read_bytes() == old
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fails)
        with pytest.raises(OSError, match="disk full"):
            tn.save(path, weights(1))
    assert path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == ["w"]


def test_synced_before_it_is_renamed(tmp_path, monkeypatch):
    """The data before the name, and the folder after it: a power cut leaves one file or the other."""
    seen, real = [], (os.fsync, Path.replace)
    monkeypatch.setattr(os, "fsync", lambda f: seen.append(str(Path(f"/proc/self/fd/{f}").readlink())) or real[0](f))
    monkeypatch.setattr(Path, "replace", lambda a, b: seen.append("replace") or real[1](a, b))
    tn.save(tmp_path / "w", weights())
    first, *rest = seen
    assert first.endswith(".part")
    assert rest == ["replace", str(tmp_path)]


def test_a_killed_process_leaves_the_old_file(tmp_path):
    """SIGKILL again and again while it saves one of two weights: the file is always one of them, whole."""
    path = tmp_path / "w"
    script = """if True:
        import itertools, sys, numpy as np, tensornet as tn
        fmt = tn.LowRank(600, 500)
        both = [(fmt, [np.full(s, n, dtype="float32") for s in fmt.shapes]) for n in range(2)]
        for n in itertools.cycle(range(2)):
            tn.save(sys.argv[1], {"w": both[n]})
            print(n, flush=True)
    """
    draw, unfinished = random.Random(0), 0
    for _ in range(5):
        process = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(draw.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        _, factors = tn.load(path)["w"]
        assert {float(f.min()) for f in factors} == {float(f.max()) for f in factors}
        unfinished = len(list(tmp_path.glob(".w.*.part")))
    assert unfinished > 0  # or no kill was in the middle


def test_missing_files_and_folders_are_the_systems_errors(tmp_path):
    with pytest.raises(FileNotFoundError):
        tn.load(tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        tn.save(tmp_path / "none" / "w", weights())


def test_modules_stay_unloaded():
    """Saving from one framework loads no other."""
    script = """if True:
        import sys, tempfile, torch, tensornet as tn
        fmt = tn.LowRank(4, 3)
        with tempfile.TemporaryDirectory() as folder:
            tn.save(folder + "/w", {"w": (fmt, fmt.decompose(torch.ones(4, 3)))})
            tn.load(folder + "/w", framework="torch")
        assert not {"jax", "array_api_strict", "pickle5"} & set(sys.modules)
    """
    subprocess.run([sys.executable, "-c", script], check=True)
