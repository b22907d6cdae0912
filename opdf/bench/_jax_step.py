"""`opdf bench --parts jax_step`: a compiled distillation step in JAX with the optax wrapper over the same step without."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from ._empty import empty
from ._step import BOUNDS, CORES, FLOOR_BOUND, Size
from ._timing import best_of_rounds

PAPERS = Size()
COMPILE_BOUND = 3.0
COMPILED_LAYERS = 4  # of six weights each


@dataclass(frozen=True)
class JaxStepRow:
    """One ratio of seconds, float32.

    what: "step": over the step without OPDF | "extra": what OPDF adds to it, over the floor | "compile": tracing and
        compiling the step, over those of the step without
    micro_batches: how many backward passes make a step
    least: the ratio of a step that adds the floor alone to it; NaN where there is no floor
    """

    what: str
    size: Size
    cores: int
    micro_batches: int
    ratio: float
    least: float
    bound: float

    @property
    def holds(self) -> bool:
        return self.ratio <= self.bound

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "holds": self.holds}


def jax_steps(size: Size = PAPERS, rounds: int = 3, layers: int = COMPILED_LAYERS) -> Iterator[JaxStepRow]:
    """Rows of one run, on all cores; needs JAX. Factors begin in the identity gauge; a step costs the same in all.

    layers: of the student whose step is compiled
    """
    from ._jax_encoder import Distillation

    made = Distillation(size, CORES)
    seconds = best_of_rounds(_calls(made), rounds)
    yield from rows(size, seconds)
    compiled = _compile_seconds(made.with_layers(layers), min(rounds, 2))
    yield JaxStepRow("compile", made.with_layers(layers).size, _cores(), 1, compiled, float("nan"), COMPILE_BOUND)


def rows(size: Size, seconds: Mapping[str, float]) -> Iterator[JaxStepRow]:
    """A step of n micro-batches is one whole step and n − 1 more gradients, of which ours are the plain model's."""
    for n, bound in BOUNDS.items():
        more = (n - 1) * seconds["gradient"]
        plain, ours = seconds["plain"] + more, seconds["ours"] + more
        yield JaxStepRow("step", size, _cores(), n, ours / plain, 1 + seconds["floor"] / plain, bound)
    extra = (seconds["ours"] - seconds["plain"]) / seconds["floor"]
    yield JaxStepRow("extra", size, _cores(), 1, extra, 1.0, FLOOR_BOUND)


def jax_step_table(found: Sequence[JaxStepRow]) -> Table:
    """One line for each ratio; "no" where it is above its bound."""
    size = found[0].size
    title = (
        f"Compiled distillation step with OPDF in JAX, {size.layers} layers of {size.hidden} from {size.teacher_layers}, "
        f"{size.batch}×{size.length} tokens, {found[0].cores} cores, float32, products kept"
    )
    made = empty(title, ("seconds of", "over those of"), ("ratio", "bound", "kept", "floor"))
    for r in found:
        many = "" if r.micro_batches == 1 else f", {r.micro_batches} micro-batches"
        left, over = {
            "step": (f"step{many}", "step without"),
            "extra": ("what OPDF adds", "bare products and bytes"),
            "compile": (f"compiling a step of {6 * r.size.layers} weights", "compiling it without"),
        }[r.what]
        least = "–" if r.what == "compile" else f"{r.least:.2f}"
        made.add_row(left, over, f"{r.ratio:.2f}", f"≤ {r.bound:g}", "yes" if r.holds else "no", least)
    return made


def _calls(made: Any) -> dict[str, Callable[[], Any]]:
    """What takes turns; the steps go on from where they were, in the buffers that they were given."""
    import jax

    from ._jax_encoder import VOCABULARY, floor

    size, models = made.size, jax.jit(made.models)
    student, teacher = models()
    ids = jax.random.randint(jax.random.key(2), (size.batch, size.length), 0, VOCABULARY)

    def training(tx: Any) -> Callable[[], Any]:
        begin, _ = models()
        step, carry = jax.jit(made.step(tx), donate_argnums=(0, 1)), [begin, jax.jit(tx.init)(begin)]

        def run() -> Any:
            carry[:] = step(*carry, teacher, ids)
            return jax.tree.leaves(carry)

        return run

    gradient = jax.jit(made.gradient())
    return {
        "plain": training(made.plain()),
        "ours": training(made.ours()),
        "gradient": lambda: jax.tree.leaves(gradient(student, teacher, ids)),
        "floor": floor(made.plan()),
    }


def _compile_seconds(made: Any, rounds: int) -> float:
    """Seconds of tracing and compiling ours over the plain step's, best of `rounds` by turns; no array is made."""
    import jax

    student, teacher = jax.eval_shape(made.models)
    ids = jax.ShapeDtypeStruct((made.size.batch, made.size.length), "int32")
    txs = {"plain": made.plain(), "ours": made.ours()}
    best = dict.fromkeys(txs, float("inf"))
    for _ in range(rounds):
        for name, tx in txs.items():
            state = jax.eval_shape(tx.init, student)
            begin = time.perf_counter()
            jax.jit(made.step(tx), donate_argnums=(0, 1)).lower(student, state, teacher, ids).compile()
            best[name] = min(best[name], time.perf_counter() - begin)
    return best["ours"] / best["plain"]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
