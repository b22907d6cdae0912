"""The note that a saved model carries: the plan of its factorised weights, and the errors that they were made with."""

import json
from collections.abc import Mapping
from typing import Any

import tensornet as tn
from tensornet import TensorNetError

KEY = "tensornet"


def write_note(plan: tn.Plan, errors: Mapping[str, float | None]) -> dict[str, Any]:
    """Plain values for JSON, under KEY of a config.json or of a safetensors file's metadata."""
    return {"plan": json.loads(plan.to_json()), "errors": dict(errors)}


def read_note(where: str, note: Any) -> tuple[tn.Plan, dict[str, float | None]]:
    """raises: TensorNetError, with the name of the file that it is from"""
    try:
        plan, errors = tn.Plan.from_json(json.dumps(note["plan"])), note["errors"]
        return plan, {name: errors[name] for name in plan}
    except (KeyError, TypeError, TensorNetError) as error:
        raise TensorNetError(
            f"from_pretrained: {where} has a note of formats that cannot be read ({error}), needed what save_pretrained "
            f"writes, because nothing else says what the factors are; save the model again"
        ) from error
