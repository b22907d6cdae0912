"""The engine in JAX: bare pytrees of PyTorch's names, one compiled step for each length of a batch."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray

import tensornet as tn
import tensornet_jax as tnj

from ..models.jax_networks import Model, answer
from ..tasks import Examples
from ._cache import Taught
from ._config import Config
from ._engine import Array, Engine
from ._jax_generating import generators
from ._jax_plan import plan_of
from ._jax_step import adamw, compiled, overparameterized
from ._phases import begins, in_training, switch

TINY = float(np.finfo(np.float32).tiny)  # beside a norm, because a bias may be 0


class JaxEngine(Engine):
    """A student, by the labels or the logits of a teacher."""

    def __init__(
        self,
        config: Config,
        student: Model,
        teacher: Model | None,
        examples: Examples,
        taught: Taught | None,
        steps: int,
    ) -> None:
        opdf, self.config, self.training = config.opdf, config, config.training
        self.network, self.examples, self.taught = student.network, examples, taught
        self.plan: tn.Plan | tn.Generators | None = None
        self.more: dict[str, Any] = {}
        self.arrays = _owned(dict(student.weights))
        tx = adamw(config.training, self.arrays)
        if opdf.on:
            self.plan = plan_of(student.network, opdf, teacher.network if teacher else None)
            tx = overparameterized(tx, self.plan, opdf, teacher, steps)
        elif config.generator.on and teacher is not None:
            self.plan, self.switch = generators(student.network, teacher.network), switch(config.generator, steps)
            self.more = {"teacher": _owned(dict(teacher.weights))}
            tx = tnj.generate(tx, self.plan, **self.more, **begins(config.generator, config.training.seed))
        self._begin(tx)
        if isinstance(self.plan, tn.Generators):
            self.arrays = _owned(tnj.materialize(self.plan, self.carried, self.arrays, **self.more))
        self.key = jax.random.key(self.training.seed)

    def _begin(self, tx: optax.GradientTransformationExtraArgs) -> None:
        self.carried = _owned(tx.init(self.arrays))
        self.compiled = compiled(self.network, self.config, tx)

    def _go_on_densely(self) -> None:
        """The second phase: the student is what the generators made of it, and nothing of it changes."""
        self.more = {}
        self._begin(adamw(self.training, self.arrays))

    # ---- training ---------------------------------------------------------------------------------------------------

    def step(self, rows: NDArray[np.int64], step: int, lr: float) -> dict[str, Any]:
        if step == self.switch > 0:
            self._go_on_densely()
        key = jax.random.fold_in(self.key, step)
        self.arrays, self.carried, said = self.compiled(
            self.arrays, self.carried, self._batch(rows), key, jnp.float32(lr), self.more
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
    def dense(self) -> bool:
        """Whether the weights themselves are trained."""
        return self.plan is None or (isinstance(self.plan, tn.Generators) and not self.more)

    @property
    def model(self) -> Model:
        """The student as it stands."""
        return Model(self.network, self.arrays)

    def probe(self) -> dict[str, Any]:
        if not isinstance(self.plan, tn.Plan):
            return {}
        state: tnj.OverparameterizedState = _numpy(self.carried)  # a compilation for each format would cost more
        entropies = {n: [x.item() for x in tn.entropy(f, state.factors[n]).values()] for n, f in self.plan.items()}
        if state.alignment is None or not state.alignment.steps:
            return {"entropies": entropies}
        return {"entropies": entropies, "alignment": {n: float(loss) for n, loss in state.alignment.losses.items()}}

    # ---- saving -----------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        leaves = [*map(np.array, jax.tree.leaves(self.carried))]
        return {"weights": self.weights(), "leaves": leaves, "dense": self.dense}

    def load(self, state: Mapping[str, Any]) -> None:
        self.restore(state["weights"])
        if state["dense"] and not self.dense:
            self._go_on_densely()
        self.carried = _owned(jax.tree.unflatten(jax.tree.structure(self.carried), state["leaves"]))

    def weights(self) -> dict[str, Array]:
        return {name: np.array(w) for name, w in self.arrays.items()}

    def restore(self, weights: Mapping[str, Array]) -> None:
        self.arrays = _owned(dict(weights))

    def facts(self) -> dict[str, Any]:
        said = in_training(self.plan, {name: w.size for name, w in self.arrays.items()})
        return said if self.plan is None or self.dense else {**said, "fold_error": self._fold_error()}

    def _fold_error(self) -> float:
        """max over weights of ‖W − contract(T)‖/‖W‖, in NumPy."""
        state, off = _numpy(self.carried), []
        over: Any = self.plan
        if isinstance(over, tn.Generators):
            state, over = state.over, over.of(_numpy(self.more["teacher"]))
        factors = state.factors
        for name, coordinates in over.items():
            w = np.asarray(self.arrays[name])
            off.append(np.linalg.norm(w - coordinates.contract(factors[name])) / max(float(np.linalg.norm(w)), TINY))
        return float(max(off))


def predicted(model: Model, examples: Examples, batch: int = 64) -> Array:
    """Logits (n, classes) of all examples, in their order."""
    (batches, back), size = examples.batches(np.arange(len(examples)), batch), min(batch, len(examples))
    found = [answered(model, examples.batch(rows), size) for rows in batches]
    return np.concatenate(found)[back]


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
