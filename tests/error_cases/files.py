"""Files: what save refuses, and every way in which a file can be wrong."""

import json
import tempfile
from pathlib import Path

import jax
import numpy as np
import pytest
import torch
from forgery import forged

import tensornet as tn
from tensornet.files._folder import INDEX, weight_files, whole

FMT = tn.LowRank(4, 6)
FACTORS = FMT.decompose(np.ones((4, 6)))
WHOLE = r"; needed a whole file that tensornet.save wrote, .*; copy or write it again"


def save(weights=None, **options):
    with tempfile.TemporaryDirectory() as folder:
        tn.save(Path(folder, "w"), weights or {"w": (FMT, FACTORS)}, **options)


def load(change=lambda data: data, framework="numpy", factors=FACTORS):
    """Load a good file after `change` of its bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "weights.safetensors")
        tn.save(path, {"w": (FMT, factors)})
        path.write_bytes(change(path.read_bytes()))
        return tn.load(path, framework=framework)


def half_a_file():
    with whole(Path("half.safetensors"), "who", KeyError):
        raise KeyError("header")


def of_folder(index=None):
    """The files of a folder that holds this index alone, or nothing."""
    with tempfile.TemporaryDirectory() as folder:
        if index:
            Path(folder, INDEX).write_text(index)
        return weight_files(Path(folder), "who")


def header(change):
    """`change` of the header as a dict, in place or as its result; a str stands for the header's own text."""

    def changed(data):
        end = 8 + int.from_bytes(data[:8], "little")
        fields = json.loads(data[8:end])
        made = change(fields)
        text = made if isinstance(made, str) else json.dumps(made or fields)
        return len(text).to_bytes(8, "little") + text.encode() + data[end:]

    return lambda: load(changed)


def note(change):
    """The same of the note of formats."""

    def changed(fields):
        inner = json.loads(fields["__metadata__"]["tensornet"])
        made = change(inner)
        fields["__metadata__"]["tensornet"] = made if isinstance(made, str) else json.dumps(made or inner)

    return header(changed)


def entry(**fields):
    return header(lambda h: h["w.1"].update(fields))


def noted(**fields):
    return note(lambda n: n["weights"]["w"].update(fields))


def without_module(name, attempt):
    """With the module `name` not installed."""
    import importlib

    real = importlib.import_module

    def missing(asked, *args):
        if asked == name:
            raise ModuleNotFoundError(f"No module named {name!r}")
        return real(asked, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib, "import_module", missing)
        return attempt()


def halves(data):
    return torch.asarray(np.asarray(data)).bfloat16()


def without_x64():
    with jax.enable_x64(False):
        return load(framework="jax")


class Forgetful(tn.LowRank):
    """Another class than the one that is registered under its name."""


CASES = {
    # save
    "empty name": (lambda: save({"": (FMT, FACTORS)}), "'' is no name of a weight, needed a printable text"),
    "path": (lambda: save({"../w": (FMT, FACTORS)}), r"'../w' is no name of a weight"),
    "control character": (lambda: save({"w\0": (FMT, FACTORS)}), r"'w\\x00' is no name of a weight"),
    "integers": (
        lambda: save({"w": (FMT, [f.astype(np.int32) for f in FACTORS])}),
        r"factors of w are of dtypes \['int32', 'int32'\], needed floats of 16 to 64 bits",
    ),
    "real and complex": (
        lambda: save({"w": (FMT, [FACTORS[0], FACTORS[1] * 1j])}),
        r"\['float64', 'complex128'\], .* complex numbers of those in all",
    ),
    "no way back": (
        lambda: save({"w": (Forgetful(4, 6), FACTORS)}),
        r"w has the format Forgetful\(.* which its to_dict does not bring back",
    ),
    "traced": (
        lambda: jax.jit(lambda f: save({"w": (FMT, f)}))([jax.numpy.asarray(f) for f in FACTORS]),
        r"factors without values \(TracerArrayConversionError\), as jit has while it traces",
    ),
    "metadata of ours": (
        lambda: save(metadata={"tensornet": "x"}),
        r"\['tensornet'\] are not texts by a name other than",
    ),
    "metadata that is no text": (lambda: save(metadata={"epoch": 3}), r"the metadata \['epoch'\] are not texts"),
    # load
    "no such framework": (lambda: load(framework="tf"), "framework='tf', needed one of numpy, torch, jax"),
    "not installed": (
        lambda: without_module("torch", lambda: load(framework="torch")),
        "framework='torch' is not installed .*install it or choose",
    ),
    "bfloat16 in NumPy": (
        lambda: without_module("ml_dtypes", lambda: load(factors=[halves(f) for f in FACTORS])),
        "holds bfloat16, which NumPy has from ml_dtypes only; install",
    ),
    "float64 in JAX": (without_x64, "the file holds float64, which jax holds only with jax_enable_x64"),
    "empty": (
        lambda: load(lambda d: b""),
        "its 0 bytes do not hold the header of 0 bytes that its first 8 announce" + WHOLE,
    ),
    "cut in the header": (lambda: load(lambda d: d[:40]), "its 40 bytes do not hold the header of"),
    "endless header": (lambda: load(lambda d: b"\xff" * 8 + d), "do not hold the header of 18446744073709551615 bytes"),
    "cut in the data": (lambda: load(lambda d: d[:-1]), "'w.1' leaves the file"),
    "surplus bytes": (lambda: load(lambda d: d + b"x"), "its tensors end at byte .* and the file at byte"),
    "another kind of file": (lambda: load(lambda d: b"\x40" + b"\0" * 99), "the header is not JSON"),
    "not an object": (header(lambda h: "[1]"), "the header is not a JSON object" + WHOLE),
    "nested without end": (header(lambda h: "[" * 100_000), r"the header is not JSON \(RecursionError\)"),
    "repeated name": (header(lambda h: '{"a": 1, "a": 1}'), "the header repeats a name"),
    "metadata a list": (header(lambda h: {"__metadata__": [1]}), "the metadata of its header are not texts by name"),
    "no fields": (header(lambda h: {"w.0": 3}), r"'w.0' has no dtype, shape and two data_offsets"),
    "unknown dtype": (entry(dtype="I64"), "'w.1' is of dtype 'I64', not one of F64, F32, F16, BF16"),
    "dtype a list": (entry(dtype=[]), r"'w.1' is of dtype \[\]"),
    "negative": (entry(shape=[-4, -6]), r"'w.1' has shape \(-4, -6\) .* not integers from 0"),
    "true": (entry(shape=[True, 192]), r"'w.1' has shape \(True, 192\)"),
    "enormous": (entry(shape=[10**18, 6]), r"'w.1' has 192 bytes, not those of F64 \(1000000000000000000, 6\)"),
    "overlap": (entry(data_offsets=[0, 192]), r"'w.1' begins at byte \d+ where byte \d+ follows"),
    "gap": (
        header(lambda h: h["w.0"].update(shape=[15], data_offsets=[0, 120])),
        r"'w.1' begins at byte \d+ where byte \d+",
    ),
    "out of the file": (entry(data_offsets=[200, 392]), "'w.1' leaves the file"),
    "backwards": (entry(data_offsets=[192, 0]), r"'w.1' leaves the file, or ends before it begins: .* \(192, 0\)"),
    "no note": (header(lambda h: h["__metadata__"].clear()), "have no 'tensornet', so that it holds something else"),
    "note no JSON": (note(lambda n: "{"), r"the note of its formats is not JSON \(JSONDecodeError\)"),
    "no version": (note(lambda n: n.pop("version") and None), "its version is None, not two integers"),
    "version in words": (note(lambda n: n.update(version=[1, "0"])), r"its version is \[1, '0'\], not two integers"),
    "next major version": (
        note(lambda n: n.update(version=[2, 0])),
        r"its version is 2.0, and this release of tensornet reads 1.x",
    ),
    "no weights": (note(lambda n: n.update(weights=[])), "the note of its formats names no weights"),
    "bad name": (note(lambda n: n.update(weights={"/etc": 1})), "'/etc' is no name of a weight"),
    "nothing noted": (note(lambda n: n.update(weights={"w": 1})), "of 'w' no format, complex and checksums are noted"),
    "unknown format": (
        noted(format={"format": "mps"}),
        r"'w' has a format that cannot be made \(TensorNetError: .*no format 'mps'",
    ),
    "format no object": (noted(format=[]), r"'w' has a format that cannot be made \(AttributeError"),
    "hostile format": (
        noted(format={"format": "mpo", "rows": [10**30], "cols": [10**30]}),
        r"'w': MPO: got factors of shapes .*, needed \[\(1, 1000000000000000000000000000000",
    ),
    "missing factor": (header(lambda h: h.pop("w.1") and None), "its tensors end at byte"),
    "factor of nobody": (
        header(lambda h: h.update({"v.0": h.pop("w.0")})),
        r"\['w.0'\] are noted but not there",
    ),
    "surplus factor": (
        header(lambda h: h.update({"w.2": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}})),
        r"\['w.2'\] belong to no format that is noted",
    ),
    "too few sums": (noted(checksums=[1]), "'w': LowRank: got factors of shapes"),
    "endless sums": (noted(checksums=list(range(9))), "are noted but not there"),
    "axes without end": (
        lambda: tn.load(forged(Path(tempfile.mkdtemp(), "w"), (1,) * 100)),
        r"'w.0' is no array of numpy \(.*",
    ),
    "not in parts": (noted(complex=True), "'w' is noted as complex, but not in real and imaginary parts"),
    "changed": (lambda: load(lambda d: d[:-1] + b"\1"), "'w.1' or its format has changed .*: its checksum differs"),
    "no weights in a folder": (
        of_folder,
        "who: .* is a folder with nothing in it, needed a .safetensors file, or a folder",
    ),
    "half a file": (half_a_file, "who: half.safetensors cannot be read .*, needed a whole safetensors file"),
    "index of nothing": (lambda: of_folder('{"weight_map": 3}'), "who: .*index.json is no index of safetensors files"),
}
