"""What a saved state must have to be loaded."""

from collections.abc import Mapping
from typing import Any

from tensornet import TensorNetError

from ._alignment import Aligner
from ._weight import Weight


def check_saved(
    state: Mapping[str, Any], weights: Mapping[str, Weight], *, gauge: str, aligner: Aligner | None
) -> None:
    """Refuse a state of another kind of optimiser, another plan, another gauge, or with other alignment."""
    if "factors" not in state:
        raise TensorNetError(
            "load_state_dict: this state has no factors; needed one from an over-parameterised optimiser; a plain "
            "optimiser's state is about dense weights; load the model's weights instead and start a new optimiser"
        )
    for name, w in weights.items():
        if state["formats"].get(name) != w.format.to_dict():
            raise TensorNetError(
                f"load_state_dict: {name} is {w.format} here and {state['formats'].get(name, 'absent')} in the state; both "
                f"must be the same plan; make the plan that the state was saved with"
            )
    extra = [n for n in state["formats"] if n not in weights]
    if extra:
        raise TensorNetError(
            f"load_state_dict: the state has factors of {', '.join(extra)}, which this plan does not; both must be the same "
            f"plan; make the plan that the state was saved with"
        )
    if state["gauge"] != gauge:
        raise TensorNetError(
            f"load_state_dict: the state was saved with gauge={state['gauge']!r}, this optimiser has {gauge!r}; a resync and "
            f"the teacher's factors depend on it; pass the same gauge to overparameterize"
        )
    if (aligner is not None) != ("alignment" in state):
        here, there = ("with", "without") if aligner else ("without", "with")
        raise TensorNetError(
            f"load_state_dict: this optimiser is {here} alignment, the state was saved {there}; make the optimiser as it was "
            f"made then"
        )
    if (
        aligner
        and aligner.rotates
        and (saved := set(state["alignment"]["targets"])) not in (set(), set(aligner.targets))
    ):
        raise TensorNetError(
            f"load_state_dict: the state has alignment targets of {', '.join(sorted(saved))}, this optimiser aligns "
            f"{', '.join(sorted(aligner.targets))}; both must pair the same weights; make the optimiser as it was made then"
        )
