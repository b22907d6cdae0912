"""What a run of translations does beside all others: targets in its teacher's words, and a way to be timed."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ..models.networks import outputs
from ..tasks import Examples, Task
from ..translation._texts import retold_by, translate_batch
from ._cache import describe
from ._config import Config
from ._loop import Told
from ._teachers import key_of


def retold(
    teacher: Any, examples: Examples, of_teacher: str, task: Task, config: Config, folder: Path, told: Told
) -> Examples:
    """Train with the teacher's translations for targets, read from the cache in `folder` or worked out into it.

    of_teacher  digest of its weights
    """
    t = config.translation
    note = {"teacher": of_teacher, "examples": task.digest("train"), "beam": t.beam, "length_penalty": t.length_penalty}
    architecture = teacher.architecture
    note |= {"heads": architecture.heads, "positions": architecture.positions, "matmul": config.training.matmul}
    home = folder / key_of(note)
    found = retold_by(teacher, examples, t.beam, t.length_penalty, home, lambda n, of: told("retell", n, of, ""))
    describe(home, note)
    return found


def way(task: Task, config: Config) -> Callable[..., object]:
    """(model, inputs) → what is timed: an answer, or translations by the beam search that test is translated with."""
    t = config.translation
    timed = partial(translate_batch, beam=t.beam, length_penalty=t.length_penalty)
    return timed if task.kind == "translation" else outputs
