"""Two processes over gloo train as one process does, each with half of the factors."""

import math

import pytest
import torch
import torch.distributed.checkpoint as dcp
from processes import WORLD, run_all
from torch.distributed.checkpoint.state_dict import get_model_state_dict
from torch_adapter.distributed import scenarios
from torch_adapter.distributed.scenarios import STEPS, adamw, resume, sgd, train, whole, wrapped
from torch_adapter.students import student

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is disabled")  # one process may save and load too


def alone(make, steps=STEPS, **options):
    """One process, the whole batch."""
    model = student(0, torch.float64)
    optimizer = wrapped(model, make, **options)
    train(model, optimizer, range(steps))
    return model, optimizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """With a checkpoint of one process after ten steps."""
    path = tmp_path_factory.mktemp("two")
    model, optimizer = alone(adamw, steps=10, lr_transfer=True)
    state = {"model": get_model_state_dict(model), "optimizer": optimizer.state_dict()}
    dcp.save(state, checkpoint_id=path / "one")
    return path


@pytest.fixture(scope="module")
def found(folder):
    return run_all(scenarios.ALL, folder)


@pytest.fixture(scope="module")
def references():
    return {
        "adamw": alone(adamw),
        "clipped": alone(sgd, max_factor_norm=0.1),
        "transfer": alone(adamw, lr_transfer=True),
    }


@pytest.mark.parametrize(
    ("scenario", "reference"),
    [
        ("ddp", "adamw"),
        ("ddp_without_owners", "adamw"),
        ("ddp_low_memory", "adamw"),
        ("ddp_clipped", "clipped"),
        ("fsdp", "adamw"),
        ("fsdp_low_memory", "adamw"),
        ("fsdp_foreach", "adamw"),
        ("fsdp_clipped", "clipped"),
        ("fsdp_transfer", "transfer"),
    ],
)
def test_two_processes_are_one(scenario, reference, found, references):
    model, optimizer = references[reference]
    for result in found[scenario]:
        assert isinstance(result, dict), result
        assert_same(result["weights"], model)
        torch.testing.assert_close(result["alignment"], optimizer.alignment_loss, rtol=1e-6, atol=1e-9)
        torch.testing.assert_close(result["norm"], optimizer.factor_norm, rtol=1e-6, atol=1e-9, equal_nan=True)


@pytest.mark.parametrize("scenario", ["ddp", "fsdp", "fsdp_low_memory"])
def test_each_weight_has_one_owner(scenario, found):
    first, second = (set(result["mine"]) for result in found[scenario])
    assert first
    assert second
    assert not first & second
    assert first | second == {"blocks.0.weight", "blocks.1.weight", "head.weight"}


def test_inner_state_is_at_the_owner_only(found, references):
    """AdamW: two moments as large as the factors, and a step count, of `mine`; and those of every dense parameter."""
    held = references["adamw"][1].held()
    for result in found["ddp"]:
        names = [n for n in held if n.rpartition(".")[0] in result["mine"] or n.endswith(("bias", "norm.weight"))]
        assert result["state"] == sum(2 * held[n].numel() + 1 for n in names)


def test_one_process_goes_on_where_two_saved(found, folder, references):
    assert found["saved_by_two"] == [None, None]
    model = student(5, torch.float64)
    optimizer = wrapped(model, lr_transfer=True)
    resume(model, optimizer, folder / "two")
    train(model, optimizer, range(10, STEPS))
    assert_same(whole(model), references["transfer"][0])


def test_two_processes_go_on_where_one_saved(found, references):
    for result in found["loaded_by_two"]:
        assert isinstance(result, dict), result
        assert_same(result["weights"], references["transfer"][0])


def test_a_checkpoint_is_not_filled_in_part(found):
    for text in found["filled_without_slots"]:
        assert "lacks what was saved of the inner optimiser's state" in text


@pytest.mark.parametrize(
    ("case", "text"),
    [
        ("factors of another", "which owns it and alone has its factors"),
        ("overwritten on one", "somebody else wrote blocks.0.weight since the last step"),
        ("gradient on one", "blocks.0.weight has a gradient on some processes and none on others"),
        ("LBFGS", "group= with LBFGS"),
        ("NaN", "NaN"),
    ],
)
def test_an_error_on_one_process_is_an_error_on_both(case, text, found):
    for result in found["errors"]:
        assert isinstance(result, dict), result
        assert text in result[case]


def test_after_a_step_that_failed_on_one_process_the_group_begins_anew(found, references):
    first, second = found["failed_step"]
    assert isinstance(first, dict), first
    assert isinstance(second, dict), second
    assert "out of memory" in first["first"]
    assert "another process of the group failed in this step" in second["first"]
    for result in (first, second):
        assert "an earlier step failed half-way" in result["second"]
        assert_same(result["weights"], references["adamw"][0])


def test_a_process_may_own_nothing(found):
    for result in found["owns_nothing"]:
        assert isinstance(result, dict), result
        assert result["second"]["steps"] == STEPS
        for name, w in result["whole"]["weights"].items():
            torch.testing.assert_close(result["second"]["weights"][name], w, rtol=0, atol=1e-12)


def test_state_after_an_evaluation_is_of_the_same_names_and_loads(found):
    for result in found["after_evaluation"]:
        assert isinstance(result, dict), result
        assert result["same names"]
        assert result["moved"] > 1e-3
        assert result["back"] < 1e-12


def test_settings_that_differ_between_processes_are_refused(found):
    for result in found["settings_differ"]:
        assert isinstance(result, dict), result
        assert "the plan is another on process" in result["order"]
        assert "the plan is another on process" in result["cores"]
        assert "alignment is another on process" in result["alignment"]


def test_a_weight_in_channels_last_arrives_as_it_is(found):
    first, second = found["channels_last"]
    assert isinstance(first, dict), first
    assert torch.equal(first["weight"], second["weight"])


def test_version_counters_of_shards(found):
    for result in found["versions"]:
        assert isinstance(result, dict), result
        assert result["ours"] == "no error"
        assert "somebody else wrote head.weight" in result["DTensor"]
        assert "somebody else wrote head.weight" in result["shard"]


def test_a_load_that_is_refused_changes_nothing(found):
    for result in found["refused_loads"]:
        assert isinstance(result, dict), result
        assert "the state has no factors of" in result["part"]
        assert result["kept"]
        assert "whole tensors for" in result["whole into shards"]
        assert result["whole into group"] == "no error"


def test_names_are_those_inside_the_wrapper(found):
    for result in found["names_inside"]:
        assert result == ["blocks.0.weight", "blocks.1.weight", "head.weight"]


def test_a_step_moves_no_more_bytes_than_the_wrapper_does_itself(found):
    """Of planned weights: DDP all-reduces gradients, 2(N − 1) copies among all; fully_shard gathers weights and scatters
    gradients, N − 1 copies each.
    """
    planned = 8 * sum(math.prod(p.shape) for n, p in student(0).named_parameters() if p.ndim == 2)
    ddp, fsdp = (sum(result[kind] for result in found["messages"]) for kind in ("ddp", "fsdp"))
    assert ddp == (WORLD - 1) * planned
    assert fsdp <= 2 * planned * (WORLD - 1) / WORLD * 1.1


def assert_same(weights, model):
    for name, p in model.named_parameters():
        torch.testing.assert_close(weights[name], p.detach(), rtol=0, atol=1e-6)
        torch.testing.assert_close(weights[name], p.detach(), rtol=0, atol=1e-9)
