"""`opdf bench`: what decompositions, contractions, applications, training steps and factorised layers cost, in ratios."""

from collections.abc import Callable, Iterable
from typing import Any

from ._apply import ApplyRow as ApplyRow
from ._apply import grids as grids
from ._contract import ContractRow as ContractRow
from ._contract import contractions as contractions
from ._decompose import Row as Row
from ._decompose import measure as measure
from ._inference import InferenceRow as InferenceRow
from ._inference import inference as inference
from ._inference import inference_table as inference_table
from ._jax_step import JaxStepRow as JaxStepRow
from ._jax_step import jax_step_table as jax_step_table
from ._jax_step import jax_steps as jax_steps
from ._peers import PeerRow as PeerRow
from ._peers import peer_table as peer_table
from ._peers import peers as peers
from ._step import StepRow as StepRow
from ._step import step_table as step_table
from ._step import steps as steps
from ._table import apply_table as apply_table
from ._table import contract_table as contract_table
from ._table import table as table

# name → (what measures it, what shows it)
PARTS: dict[str, tuple[Callable[[], Iterable[Any]], Callable[[Any], Any]]] = {
    "decompose": (measure, table),
    "contract": (contractions, contract_table),
    "apply": (grids, apply_table),
    "peers": (peers, peer_table),
    "step": (steps, step_table),
    "jax_step": (jax_steps, jax_step_table),
    "inference": (inference, inference_table),
}
