"""Before the student, in any framework: where a fine-tuned teacher and what it says are kept. Keys know no framework either,
so that what one has made serves the other.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from tensornet.files._replace import replacing

from ..tasks import Examples, Task, scores
from ..tasks import load as load_task
from ._cache import Taught, Teach, describe, taught
from ._config import Config, Generator, Opdf, tokenizer_of, vocabularies
from ._engine import Array
from ._loop import Told
from ._order import Steps

Network = TypeVar("Network")

DONE = "model"  # the folder of a teacher that has been fine-tuned
VERSION = 1  # of what is kept under a key: to be raised when the same inputs give something else than before


@dataclass(frozen=True)
class FineTuning:
    """A training on labels that makes a teacher; a run of its own in the folder `home`, which can be killed and resumed."""

    config: Config
    task: Task
    home: Path

    @classmethod
    def of(cls, config: Config, task: Task, start: str, folder: Path) -> "FineTuning":
        """start: digest of the weights that it begins with; folder: of all fine-tuned teachers."""
        if config.teacher.whole_train and config.task.train_size is not None:
            task = load_task(replace(config.task, train_size=None), tokenizer_of(config), vocabularies(config))
        taken: dict[str, Any] = {"epochs": config.teacher.epochs, "lr": config.teacher.lr, "seed": config.teacher.seed}
        training = replace(config.training, **taken)
        made_of: dict[str, Any] = {"task": task.digest("train"), "dev": task.digest("dev"), "metrics": task.metrics}
        made_of |= {"start": start, **_described(config)}
        if task.kind == "translation":
            made_of["smoothing"] = config.translation.smoothing
        free = ("checkpoint_every", "device", "threads")
        same = {k: v for k, v in asdict(training).items() if k not in free} | {"backend": "torch"}
        home = folder / key_of({**made_of, "training": same})
        return cls(replace(config, host="labels", training=training, opdf=Opdf(), generator=Generator()), task, home)

    @property
    def steps(self) -> Steps:
        return Steps.over(self.task.train, self.config.training)


def fine_tuned(
    model: Network,
    start: str,
    config: Config,
    task: Task,
    folder: Path,
    tune: Callable[[FineTuning, Network], None],
    load: Callable[[Path, Task], Network],
) -> Network:
    """The teacher, fine-tuned on the task if that is asked for and has been done in neither framework.

    start   digest of the weights that it begins with
    folder  of fine-tuned teachers, by the key of what made each
    tune    trains, and saves the teacher in the folder DONE of its home
    """
    if not config.teacher.epochs:
        return model
    tuning = FineTuning.of(config, task, start, folder)
    if not (tuning.home / DONE).exists():
        tune(tuning, model)
    return load(tuning.home / DONE, task)


def said_by(
    teacher: str,
    host: str,
    fields: Sequence[str],
    per_token: frozenset[str],
    task: Task,
    config: Config,
    folder: Path,
    teach: Teach,
    told: Told,
) -> Taught:
    """What a teacher says of train, read from the cache in `folder` or worked out into it.

    teacher  digest of its weights
    host     fingerprint of the method, which asks it for `fields`
    """
    size = config.training.batch_size
    note = {
        "teacher": teacher,
        "examples": task.digest("train"),
        "host": host,
        "fields": list(fields),
        "batch_size": size,
        "matmul": config.training.matmul,
        **_described(config),
    }
    home = folder / key_of(note)
    found = taught(home, task.train, teach, per_token, size, lambda n, of: told("cache", n, of, ""))
    describe(home, note)
    return found


def judged(
    teacher: str, predict: Callable[[Examples], Array], task: Task, config: Config, folder: Path, told: Told
) -> dict[str, dict[str, float]]:
    """A teacher's scores on dev and test, from `folder` if they are there.

    teacher  digest of its weights
    predict  examples → its logits
    """
    parts = {"dev": task.dev, "test": task.test}
    digests = {name: task.digest(name) for name in parts}
    of = {
        "teacher": teacher,
        "metrics": task.metrics,
        "matmul": config.training.matmul,
        **digests,
        **_described(config),
    }
    if task.kind == "translation":
        of |= {"beam": config.translation.beam, "length_penalty": config.translation.length_penalty}
    path = folder / f"{key_of(of)}.json"
    if path.exists():
        return dict(json.loads(path.read_text(encoding="utf-8")))
    found = {}
    for n, (name, examples) in enumerate(parts.items()):
        told("judge", n, len(parts), f"the teacher on {name}")
        found[name] = scores(task, predict(examples), examples.labels)
    told("judge", len(parts), len(parts), "")
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(json.dumps(found).encode())
    return found


def _described(config: Config) -> dict[str, Any]:
    """What weights do not say of a teacher, as its heads, positions, activations and dropout: a digest of its folder's
    config.json, or, of one that is made here, those that can be given.
    """
    if config.teacher.source is None:
        given: dict[str, Any] = {"heads": config.teacher.heads} if config.teacher.heads else {}
        if config.task.name == "translation":
            given |= {"dropout": config.teacher.dropout, "positions": config.task.max_length}
        return given
    path = Path(config.teacher.source) / "config.json"
    return {"config": hashlib.sha256(path.read_bytes()).hexdigest()} if path.is_file() else {}


def digest(weights: Mapping[str, Array]) -> str:
    """SHA-256 over names, as PyTorch has them, shapes and bits of all weights."""
    sha = hashlib.sha256()
    for name, array in sorted(weights.items()):
        sha.update(f"{name} {array.shape} torch.{array.dtype} ".encode())
        sha.update(array.tobytes())
    return sha.hexdigest()


def folder_digest(folder: str | os.PathLike[str]) -> str | None:
    """SHA-256 over the weights and the configuration in a folder of Hugging Face's; None where it holds none."""
    files = sorted(p for p in Path(folder).glob("*") if p.suffix in (".safetensors", ".bin") or p.name == "config.json")
    sha = hashlib.sha256()
    for path in files:
        sha.update(f"{path.name} {path.stat().st_size} ".encode())
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                sha.update(block)
    return sha.hexdigest() if files else None


def key_of(made_of: Mapping[str, Any]) -> str:
    """A name for what is made of this."""
    whole = {**made_of, "version": VERSION}
    return hashlib.sha256(json.dumps(whole, sort_keys=True, default=str).encode()).hexdigest()[:16]
