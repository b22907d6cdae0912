"""What a compressed model's file says of its factors: the plan, the errors they were made with, and how they are called.

Beside them, under their own names, stand all other tensors of the model. One text for every framework.
"""

import json
from collections.abc import Mapping
from typing import Any

from .._errors import TensorNetError
from ..planning import Plan

KEY = "tensornet"  # in the metadata of model.safetensors, or in a config.json


def factor_name(weight: str, k: int) -> str:
    """Of "layer.weight" "layer.factors.0" …, as a module holds them; any other name stays whole."""
    owner, _, last = weight.rpartition(".")
    owner = owner if last == "weight" else weight
    return f"{owner}.factors.{k}" if owner else f"factors.{k}"


def write_note(plan: Plan, errors: Mapping[str, float | None]) -> dict[str, Any]:
    """Plain values for JSON."""
    return {"plan": json.loads(plan.to_json()), "errors": dict(errors)}


def read_note(where: str, note: Any) -> tuple[Plan, dict[str, float | None]]:
    """raises: TensorNetError, with the name of the file that it is from"""
    try:
        plan, errors = Plan.from_json(json.dumps(note["plan"])), note["errors"]
        return plan, {name: errors[name] for name in plan}
    except (KeyError, TypeError, TensorNetError) as error:
        raise TensorNetError(
            f"from_pretrained: {where} has a note of formats that cannot be read ({error}), needed what save_pretrained "
            f"writes, because nothing else says what the factors are; save the model again"
        ) from error
