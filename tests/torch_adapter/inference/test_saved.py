"""save_pretrained and from_pretrained: the same model comes back, or the folder is refused."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from torch_adapter.inference.layers import Tied, plan, tied, tokens

import tensornet as tn
import tensornet_torch as tnt

FILE = "model.safetensors"


@pytest.fixture
def small():
    model = tied()
    return tnt.compress(model, plan(model, rank=4)).eval()


@pytest.fixture
def folder(small, tmp_path):
    tnt.save_pretrained(small, tmp_path / "model")
    return tmp_path / "model"


def meta() -> nn.Module:
    with torch.device("meta"):
        return Tied()


@pytest.mark.parametrize(
    "skeleton", [Tied, lambda: tied(5), meta, tied(6)], ids=["class", "function", "meta", "module"]
)
def test_it_comes_back_to_the_bit(small, folder, skeleton):
    back = tnt.from_pretrained(folder, skeleton)
    assert torch.equal(back(tokens()), small(tokens()))
    assert {n: t.dtype for n, t in back.state_dict().items()} == {n: t.dtype for n, t in small.state_dict().items()}
    assert back.embedding.factors[0] is back.decoder.factors[0]
    assert repr(back) == repr(small)
    assert tnt.receipt(back) == tnt.receipt(small)
    assert not any(p.is_meta for p in back.parameters())
    assert not back.training
    assert all(p.requires_grad for p in back.parameters())


def test_the_skeleton_is_untouched(folder):
    skeleton = tied(6)
    before = {n: t.clone() for n, t in skeleton.state_dict().items()}
    tnt.from_pretrained(folder, skeleton)
    assert all(torch.equal(t, before[n]) for n, t in skeleton.state_dict().items())


def test_untied_bf16_and_other_buffers_come_back(tmp_path):
    model = tied(tied=False, dtype=torch.bfloat16)
    model.steps += 1
    small = tnt.compress(model, plan(model, rank=4))
    tnt.save_pretrained(small, tmp_path)
    back = tnt.from_pretrained(tmp_path, lambda: Tied(tied=False))  # of another dtype: the file's counts
    assert all(torch.equal(t, small.state_dict()[n]) for n, t in back.state_dict().items())
    assert back.embedding.padding.dtype == torch.bfloat16
    assert back.steps == 8


def test_the_file_is_small_and_readable_by_others(small, folder):
    assert [p.name for p in folder.iterdir()] == [FILE]
    tensors = load_file(folder / FILE)
    assert "embedding.factors.0" in tensors
    assert "decoder.factors.0" not in tensors  # tied: one copy
    assert (folder / FILE).stat().st_size < 4 * tnt.receipt(small).after + 4096


def test_saving_over_it_replaces_it_whole(small, folder):
    with torch.no_grad():
        small.norm.bias.fill_(1)
    tnt.save_pretrained(small, folder)
    assert torch.equal(tnt.from_pretrained(folder, Tied)(tokens()), small(tokens()))
    assert [p.name for p in folder.iterdir()] == [FILE]


def refused(folder, match, model=Tied):
    with pytest.raises(tn.TensorNetError, match=match) as caught:
        tnt.from_pretrained(folder, model)
    assert "from_pretrained" in str(caught.value)
    assert ";" in str(caught.value)


def test_other_folders_are_refused(folder, tmp_path):
    empty = tmp_path / "empty"
    refused(empty, "empty is not there")
    empty.mkdir()
    (empty / "pytorch_model.bin").touch()
    refused(empty, "a folder with pytorch_model.bin, needed .* with model.safetensors or ")
    save_file({"weight": torch.zeros(2, 2)}, empty / FILE)
    refused(empty, "notes no formats.*load a dense one as ever")
    (empty / "config.json").write_text("[")
    refused(empty, "config.json holds no JSON object")
    (empty / "config.json").write_text(json.dumps({"tensornet": {"plan": 3}}))
    refused(empty, "config.json has a note of formats that cannot be read")
    (empty / FILE).unlink()
    (empty / "model.safetensors.index.json").write_text("{}")
    refused(empty, "is no index of safetensors files")


def test_a_truncated_file_is_refused(folder):
    data = (folder / FILE).read_bytes()
    (folder / FILE).write_bytes(data[:-8])
    refused(folder, "model.safetensors cannot be read")


def test_another_model_is_refused(folder, tmp_path):
    refused(folder, "has no parameter embedding.weight", lambda: nn.Linear(3, 3))

    class More(Tied):
        def __init__(self):
            super().__init__()
            self.extra = nn.Linear(2, 2)
            self.norm = nn.LayerNorm(8)

    refused(folder, "missing in the file extra.weight, extra.bias, .*of another shape norm.weight", More)

    class Less(Tied):
        def __init__(self):
            super().__init__()
            self.norm = nn.Identity()

    refused(folder, "only in the file norm.bias, norm.weight", Less)
    refused(folder, "describes no model that Transformers makes here", None)


def test_a_buffer_that_no_file_holds_needs_a_value(folder):
    def skeleton():
        with torch.device("meta"):
            model = Tied()
            model.register_buffer("table", torch.zeros(3), persistent=False)
        return model

    refused(folder, "on the meta device and in no file table", skeleton)


def test_only_compressed_models_are_saved(tmp_path):
    with pytest.raises(tn.TensorNetError, match="save_pretrained: got a Tied without a factorised weight"):
        tnt.save_pretrained(tied(), tmp_path / "dense")
    assert not (tmp_path / "dense").exists()


def test_shards_are_read(small, folder):
    tensors = load_file(folder / FILE)
    names = sorted(tensors)
    with safe_open(folder / FILE, "pt") as file:
        note = file.metadata()
    halves = {"a.safetensors": names[:5], "b.safetensors": names[5:]}
    for file, part in halves.items():
        save_file({n: tensors[n] for n in part}, folder / file, note)
    (folder / FILE).unlink()
    index = {"weight_map": {n: file for file, part in halves.items() for n in part}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert torch.equal(tnt.from_pretrained(folder, Tied)(tokens()), small(tokens()))


class Counting(Tied):
    """Keeps something that is neither a parameter nor a buffer."""

    def get_extra_state(self):
        return torch.tensor(3)

    def set_extra_state(self, state):
        self.count = state


def test_an_extra_state_is_not_lost_in_silence(small, folder, tmp_path):
    counting = tnt.compress(Counting(), plan(Counting(), rank=4))
    with pytest.raises(
        tn.TensorNetError, match=r"save_pretrained: _extra_state is what get_extra_state gives.*make it"
    ):
        tnt.save_pretrained(counting, tmp_path / "other")
    refused(folder, "from_pretrained: .*_extra_state is what get_extra_state gives", Counting)
