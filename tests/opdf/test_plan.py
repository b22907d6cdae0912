"""`opdf plan`: the table of a checkpoint from its headers, whatever stands behind them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import tensornet as tn
from opdf.checkpoint import shapes
from opdf.planned import plan_of, summary
from tensornet.planning._embeddings import embeddings

TENSORS = {
    "model.embed_tokens.weight": (100, 32),
    "model.layers.0.mlp.up.weight": (64, 32),
    "model.layers.0.mlp.down.weight": (32, 64),
    "model.layers.0.norm.weight": (32,),
    "model.steps": (1,),
    "stem.weight": (8, 4, 3, 3),
}


def opdf(*arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, and `code` after it."""
    run = f"import sys; from opdf.cli import main; sys.argv = ['opdf', *{arguments!r}]; main(); {code}"
    return subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def folder(tmp_path) -> Path:
    tensors = {
        n: torch.zeros(s, dtype=torch.int64 if n == "model.steps" else torch.bfloat16) for n, s in TENSORS.items()
    }
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    return tmp_path


def test_names_and_shapes_of_a_folder_a_file_and_shards(folder):
    assert shapes(folder) == TENSORS
    assert shapes(folder / "model.safetensors") == TENSORS
    names = sorted(TENSORS)
    for number, part in enumerate((names[:2], names[2:])):
        save_file({n: torch.zeros(TENSORS[n]) for n in part}, folder / f"part-{number}.safetensors")
    (folder / "model.safetensors").unlink()
    where = {n: f"part-{int(k > 1)}.safetensors" for k, n in enumerate(names)}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    assert shapes(folder) == TENSORS


class Counted:
    """A file that counts what is read of it."""

    def __init__(self, file):
        self.file, self.bytes = file, 0

    def read(self, *size):
        data = self.file.read(*size)
        self.bytes += len(data)
        return data

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()


def test_no_byte_of_a_weight_is_read(tmp_path, monkeypatch):
    """64 GB of weights that take no room on the disk: a file with a hole."""
    rows, path = 2**20, tmp_path / "model.safetensors"
    entries = {
        f"layers.{k}.weight": {
            "dtype": "F32",
            "shape": [rows, 1024],
            "data_offsets": [k * 4 * 1024 * rows, (k + 1) * 4 * 1024 * rows],
        }
        for k in range(16)
    }
    header = json.dumps(entries).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with path.open("r+b") as file:
        file.truncate(8 + len(header) + 16 * 4 * 1024 * rows)
    opened, how, real = [], [], Path.open

    def counted(self, *arguments, **options):
        how.append(options)
        opened.append(Counted(real(self, *arguments, **options)))
        return opened[-1]

    monkeypatch.setattr(Path, "open", counted)
    assert len(plan_of(tmp_path, ["all-linear"], "low_rank", {"rank": 8})) == 16
    assert sum(f.bytes for f in opened) == 8 + len(header)
    assert all(o == {"buffering": 0} for o in how)  # nor by a buffer that reads on


def test_headers_alone_will_do(folder):
    path = folder / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[: 8 + int.from_bytes(data[:8], "little")])
    assert shapes(folder) == TENSORS


def test_all_linear_is_matrices_that_are_no_embeddings(folder):
    made = plan_of(folder, ["all-linear"], "mpo", {"cores": 3, "rank": None})
    assert list(made) == ["model.layers.0.mlp.down.weight", "model.layers.0.mlp.up.weight"]
    assert made["model.layers.0.mlp.up.weight"] == tn.MPO.for_shape((64, 32), cores=3)
    assert "an embedding" in made.skipped["model.embed_tokens.weight"]
    assert summary(made) == "2 weights: 4,096 parameters dense, 8,192 in factors (× 2)"
    assert list(embeddings(["transformer.wte.weight", "bert.embeddings.word.weight", "h.0.attn.weight"])) == [
        "transformer.wte.weight",
        "bert.embeddings.word.weight",
    ]


def test_rules_are_expressions(folder):
    made = plan_of(folder, [r".*embed.*", r".*up\.weight"], "low_rank", {"scale": 0.5})
    assert set(made) == {"model.embed_tokens.weight", "model.layers.0.mlp.up.weight"}
    assert all(f.scale <= 0.5 for f in made.values())
    assert "stem.weight" in plan_of(folder, ["stem.*"], "conv_mpo", {})
    with pytest.raises(tn.TensorNetError, match="'nothing' matches no weight"):
        plan_of(folder, ["nothing"], "mpo", {})


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "its 0 bytes do not hold the header"),
        (b"\xff" * 64, "do not hold the header of"),
        ((3).to_bytes(8, "little") + b"[1]", "the header is not a JSON object"),
        ((9).to_bytes(8, "little") + b'{"a": {}}', "'a' has no shape in the header"),
        ((22).to_bytes(8, "little") + b'{"a": {"shape": [-1]}}', "'a' has no shape"),
    ],
)
def test_what_is_no_header_is_refused(tmp_path, content, match):
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(
        tn.TensorNetError, match=f"opdf plan: .*model.safetensors: .*{match}.*; download or write it again"
    ):
        shapes(tmp_path)


def test_other_paths_are_refused(tmp_path):
    def refused(path, match):
        with pytest.raises(tn.TensorNetError, match=match):
            shapes(path)

    refused(tmp_path / "nowhere", "nowhere is not there, needed a .safetensors file, .* because .*; give such a path")
    refused(tmp_path, "is a folder with nothing in it")
    (tmp_path / "pytorch_model.bin").touch()
    refused(tmp_path, r"is a folder with pytorch_model.bin, needed")
    refused(tmp_path / "pytorch_model.bin", r"is a file .bin")
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": 3}')
    refused(tmp_path, "is no index of safetensors files")
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {"a": "gone.safetensors"}}')
    refused(tmp_path, r"gone.safetensors: .*No such file")


def test_the_command_loads_no_framework_and_prints_the_table(folder):
    code = "print([m for m in ('torch', 'jax', 'numpy.random') if m in sys.modules])"
    done = opdf("plan", str(folder), "--cores", "3", code=code)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split()[:3] == ["weight", "shape", "format"]
    assert "model.layers.0.mlp.up.weight" in done.stdout
    assert lines[-2].startswith("2 weights:")
    assert lines[-1] in ("[]", "['numpy.random']")


def test_json_is_the_plan(folder):
    done = opdf("plan", str(folder), "--format", "low_rank", "--rank", "4", "--json")
    assert tn.Plan.from_json(done.stdout) == plan_of(folder, ["all-linear"], "low_rank", {"rank": 4})


def test_the_command_refuses_unknown_keys_options_and_folders(folder, tmp_path):
    unknown = opdf("plan", str(folder), "--nope", "3")
    assert unknown.returncode == 2
    assert "Unrecognized options: --nope" in unknown.stderr + unknown.stdout
    foreign = opdf("plan", str(folder), "--format", "low_rank", "--cores", "3")
    assert foreign.returncode == 2
    assert "LowRank.for_shape does not take" in " ".join(foreign.stderr.split())
    empty = opdf("plan", str(folder / "model.safetensors.d"))
    assert empty.returncode == 2
    assert "is not there" in " ".join(empty.stderr.split())
    assert "Only the headers" in " ".join(opdf("plan", "--help").stdout.split())
