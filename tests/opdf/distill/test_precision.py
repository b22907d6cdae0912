"""How float32 matrices are multiplied is set for the run and put back after it; networks compute in bfloat16, nothing else."""

import dataclasses

import jax
import pytest
import tiny_runs
import torch
from safetensors.torch import load_file

import tensornet as tn
from opdf.distill import _jax_run, _torch, _torch_run, distill
from opdf.distill._torch import TorchEngine
from opdf.models.networks import outputs
from opdf.report import read
from tensornet.generator._generated import Generated

READ = {_torch_run: torch.get_float32_matmul_precision, _jax_run: lambda: jax.config.jax_default_matmul_precision}


@pytest.mark.parametrize(("backend", "name"), [(_torch_run, "medium"), (_jax_run, "default")], ids=["torch", "jax"])
def test_for_the_run_alone(backend, name, tmp_path, monkeypatch):
    def run(*_):
        inside.append(READ[backend]())
        raise RuntimeError("in the middle")

    config, inside, before = tiny_runs.texts(tmp_path), [], READ[backend]()
    monkeypatch.setattr(backend, "_run", run)
    with pytest.raises(RuntimeError, match="middle"):
        backend.run(
            dataclasses.replace(config, training=dataclasses.replace(config.training, matmul="medium")), None, (), None
        )
    assert inside == [name] != [before]
    assert READ[backend]() == before


GENERATED = {"generator__on": True, "opdf__on": False, "opdf__alignment": 0.0}


@pytest.mark.parametrize(("by", "made"), [({}, tn.Format), (GENERATED, Generated)], ids=["factors", "generators"])
def test_factors_are_contracted_in_float32_whatever_the_network_computes_in(by, made, tmp_path, monkeypatch):
    seen = {"network": set(), "factors": set()}

    def listening(owner, name, kind):
        plain = getattr(owner, name)

        def call(*args, **kwargs):
            seen[kind].add(torch.get_float32_matmul_precision())
            return plain(*args, **kwargs)

        monkeypatch.setattr(owner, name, call)

    listening(_torch, "outputs", "network")
    for name in ("linearize", "contract", "pullback"):
        listening(made, name, "factors")
    distill(tiny_runs.images(tmp_path, training__matmul="medium", **by))
    assert seen == {"network": {"medium"}, "factors": {"highest"}}


class TestBfloat16:
    def losses(self, folder, **overrides):
        inside = dict.fromkeys(("kd__hidden", "kd__attention", "kd__ffn", "kd__embedding"), 1.0)
        config = tiny_runs.texts(folder, **inside, **overrides)
        distill(config)
        return [record["loss"] for record in read(config.out) if "loss" in record]

    def test_linear_layers_compute_in_it_and_what_is_said_is_float32(self, tmp_path):
        model = tiny_runs.BertModel.from_pretrained(tiny_runs.write_encoder(tmp_path))
        model.classifier, model.dropout = torch.nn.Linear(8, 2), torch.nn.Dropout(0.0)
        inside = []
        model.encoder.layer[0].output.dense.register_forward_hook(lambda _, x, y: inside.append(y.dtype))
        ids = torch.tensor([[5, 6, 7]])
        with torch.autocast("cpu", torch.bfloat16):
            said = outputs(model, {"input_ids": ids}, ("logits", "embeddings", "hidden", "scores", "ffn"))
        assert inside == [torch.bfloat16]
        flat = [x for value in said.values() for x in (value if isinstance(value, tuple) else (value,))]
        assert {x.dtype for x in flat} == {torch.float32}

    def test_the_student_alone_computes_in_it(self, tmp_path, monkeypatch):
        """Neither the teacher, asked at each step, nor the products of losses."""
        seen = {"student": set(), "teacher": set()}
        config = tiny_runs.texts(
            tmp_path, kd__attention=1.0, kd__ffn=1.0, student__layers=3, training__precision="bfloat16"
        )
        plain = TorchEngine.__init__

        def listening(engine, *rest):
            plain(engine, *rest)
            for name in seen:
                model = getattr(engine.host, name)
                if model is not None and engine.host.teacher is not None:
                    layer = model.bert.encoder.layer[0].output.dense
                    layer.register_forward_hook(
                        lambda m, _, y, name=name: seen[name].add((engine.host.student.training, y.dtype))
                    )

        monkeypatch.setattr(TorchEngine, "__init__", listening)
        distill(config)
        assert seen["student"] == {(True, torch.bfloat16), (False, torch.float32)}  # learning, and scored
        assert {dtype for _, dtype in seen["teacher"]} == {torch.float32}

    def test_a_run_in_it_is_near_one_in_float32(self, tmp_path):
        """The teacher is fine-tuned in it too; what the student is exported as is float32."""
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()
        full, half = self.losses(tmp_path / "a"), self.losses(tmp_path / "b", training__precision="bfloat16")
        assert 1e-6 < max(abs(a - b) / a for a, b in zip(full, half, strict=True)) < 0.05
        student = load_file(tmp_path / "b" / "run" / "student" / "model.safetensors")
        assert {x.dtype for x in student.values()} == {torch.float32}
