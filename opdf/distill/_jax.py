"""The engine in JAX: bare pytrees of PyTorch's names, one compiled step for each length of a batch."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

import tensornet as tn
import tensornet_jax as tnj
from tensornet.alignment import Reduced, distance_to

from ..models.jax_networks import Model, answer
from ..tasks import Examples
from ._cache import Taught
from ._config import Config
from ._engine import Array, Engine
from ._jax_plan import plan_of
from ._jax_step import adamw, compiled, overparameterized


class JaxEngine(Engine):
    """A student, by the labels or the logits of a teacher."""

    plan: tn.Plan | None

    def __init__(
        self,
        config: Config,
        student: Model,
        teacher: Model | None,
        examples: Examples,
        taught: Taught | None,
        steps: int,
    ) -> None:
        opdf, self.training = config.opdf, config.training
        self.network, self.gauge, self.examples, self.taught = student.network, opdf.alignment_gauge, examples, taught
        self.plan = plan_of(student.network, opdf, teacher.network if teacher else None) if opdf.on else None
        tx = adamw(config.training)
        if self.plan is not None:
            tx = overparameterized(tx, self.plan, opdf, teacher, steps)
        self.arrays = _owned(dict(student.weights))
        self.carried = _owned(tx.init(self.arrays))
        self.key = jax.random.key(self.training.seed)
        self.compiled = compiled(student.network, config, tx)

    # ---- training ---------------------------------------------------------------------------------------------------

    def step(self, rows: NDArray[np.int64], step: int, lr: float) -> dict[str, Any]:
        key = jax.random.fold_in(self.key, step)
        self.arrays, self.carried, said = self.compiled(
            self.arrays, self.carried, self._batch(rows), key, jnp.float32(lr)
        )
        record: dict[str, Any] = jax.tree.map(float, said)
        return record

    def _batch(self, rows: NDArray[np.int64]) -> dict[str, Any]:
        inputs = self.examples.batch(rows)
        length = next(iter(inputs.values())).shape[1]
        teacher = self.taught.batch(rows, length) if self.taught else {}
        return {"inputs": inputs, "labels": self.examples.labels[rows], "teacher": teacher}

    def predict(self, examples: Examples) -> Array:
        return predicted(self.model, examples)

    @property
    def model(self) -> Model:
        """The student as it stands."""
        return Model(self.network, self.arrays)

    def probe(self) -> dict[str, Any]:
        if self.plan is None:
            return {}
        state: tnj.OverparameterizedState = _numpy(self.carried)  # a compilation for each format would cost more
        entropies = {n: [x.item() for x in tn.entropy(f, state.factors[n]).values()] for n, f in self.plan.items()}
        if state.alignment is None or not state.alignment.steps:
            return {"entropies": entropies}
        aligned = {n: self._distance(n, state.factors[n], t) for n, t in state.alignment.targets.items()}
        return {"entropies": entropies, "alignment": aligned}

    def _distance(self, name: str, factors: Any, target: Any) -> float:
        assert self.plan is not None
        target = Reduced(target[0], target[1:]) if self.gauge == "invariant" else target
        return float(distance_to(self.plan[name], factors, target, self.gauge))

    # ---- saving -----------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        return {"weights": self.weights(), "leaves": [*map(np.array, jax.tree.leaves(self.carried))]}

    def load(self, state: Mapping[str, Any]) -> None:
        self.restore(state["weights"])
        self.carried = _owned(jax.tree.unflatten(jax.tree.structure(self.carried), state["leaves"]))

    def weights(self) -> dict[str, Array]:
        return {name: np.array(w) for name, w in self.arrays.items()}

    def restore(self, weights: Mapping[str, Array]) -> None:
        self.arrays = _owned(dict(weights))

    def facts(self) -> dict[str, Any]:
        if self.plan is None:
            return {"training_parameters": sum(w.size for w in self.arrays.values())}
        factors = self.carried.factors
        held = sum(f.size for each in factors.values() for f in each)
        rest = sum(w.size for name, w in self.arrays.items() if name not in factors)
        return {"training_parameters": held + rest, "fold_error": self._fold_error(_numpy(factors))}

    def _fold_error(self, factors: Mapping[str, Any]) -> float:
        """max over weights of ‖W − contract(T)‖/‖W‖."""
        assert self.plan is not None
        weights = {name: np.asarray(self.arrays[name]) for name in self.plan}
        off = [np.linalg.norm(w - self.plan[n].contract(factors[n])) / np.linalg.norm(w) for n, w in weights.items()]
        return float(max(off))


def predicted(model: Model, examples: Examples, batch: int = 64) -> Array:
    """Logits (n, classes) of all examples, in their order."""
    found, size = [], min(batch, len(examples))
    for start in range(0, len(examples), batch):
        rows = np.arange(start, min(start + batch, len(examples)))
        found.append(answered(model, examples.batch(rows), size))
    return np.concatenate(found)


def answered(model: Model, inputs: Mapping[str, Array], size: int) -> Array:
    """Logits (b, classes) of b ≤ size examples; as many as `size` are asked, so that no other number is compiled."""
    count = len(next(iter(inputs.values())))
    places = np.minimum(np.arange(max(size, count)), count - 1)
    return np.asarray(answer(model.network, model.weights, {n: x[places] for n, x in inputs.items()}))[:count]


def _owned(tree: Any) -> Any:
    """In buffers of their own, because a step donates them; resumed or not, they are the same to the compiler."""
    return jax.tree.map(lambda x: jnp.array(np.asarray(x), copy=True), tree)


def _numpy(tree: Any) -> Any:
    return jax.tree.map(np.asarray, tree)
