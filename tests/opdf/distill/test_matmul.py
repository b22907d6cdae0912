"""How float32 matrices are multiplied is set for the run, and put back after it."""

import dataclasses

import jax
import pytest
import tiny_runs
import torch

from opdf.distill import _jax_run, _torch_run

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
