"""A task from its files."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import fields
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any, get_args

import numpy as np

from tensornet import TensorNetError

from . import _fashion
from ._glue import GLUE
from ._hub import read_hub
from ._own import read_own
from ._parallel import read_parallel, texts
from ._source import Part, Source
from ._spec import TaskSpec
from ._split import divide
from ._task import Examples, Task
from ._tokens import check_tokenizer, encode, full, tokenizer_of
from ._translations import translations
from ._vocabulary import lowercases, read_vocabulary, vocabulary

OPTIONS = {  # task → those that it alone has
    "csv": ("train_file", "dev_file", "test_file", "text", "text_pair", "label", "regression"),
    "translation": ("source", "target", "train_part", "dev_part", "test_part", "vocabulary", "lowercase"),
}


PARTS = {"csv": OPTIONS["csv"][:3], "translation": OPTIONS["translation"][2:5]}  # what names train, dev and test


def load(spec: TaskSpec, tokenizer: str | None = None, cache: Path | None = None) -> Task:
    """The examples of a task, split, tokenised or normalised; the same spec gives the same task, to the bit.

    tokenizer  of the teacher: folder or hub name, used where the spec names none
    cache      folder in which a vocabulary that was learnt from train is kept
    """
    _check(spec)
    source = _read(spec)
    *parts, splits = divide(source, spec)
    if source.kind == "translation":
        return _translation(spec, source, parts, splits, tokenizer, cache)
    words: Any = None
    ready: Callable[[Part], Examples] = _normalised
    if source.kind == "text":
        words = tokenizer_of(spec.name, spec.tokenizer or tokenizer)
        check_tokenizer(spec.name, words, spec.max_length, pair=len(source.train.inputs) == 2)
        # A copy encodes: the truncation that it is set to would be saved with it.
        ready = partial(encode, deepcopy(words), max_length=spec.max_length)
    train, dev, test = (ready(part) for part in parts)
    splits += full({"train": train, "dev": dev, "test": test}, spec.max_length)
    classes = len(source.label_names) or 1
    return Task(spec.name, source.kind, classes, source.label_names, source.metrics, train, dev, test, splits, words)


def _translation(
    spec: TaskSpec, source: Source, parts: list[Part], splits: str, tokenizer: str | None, cache: Path | None
) -> Task:
    """Pieces are learnt from all of train, also where `train_size` leaves a part of it, so that all such tasks share them."""
    given = spec.tokenizer or tokenizer
    learn = partial(vocabulary, size=spec.vocabulary, lowercase=spec.lowercase, cache=cache)
    words = _read_words(Path(given), spec.lowercase) if given else learn(texts(source.train))
    train, dev, test = (translations(words, part, spec.max_length) for part in parts)
    pieces = words.get_vocab_size()
    return Task(spec.name, source.kind, pieces, (), source.metrics, train, dev, test, splits, words)


def _read_words(path: Path, lowercase: bool) -> Any:
    found = read_vocabulary(path)
    if lowercases(found) != lowercase:
        raise TensorNetError(
            f"translation: lowercase={lowercase}, but the vocabulary in {path} {'keeps' if lowercase else 'has no'} upper "
            f"case, needed lowercase={not lowercase} with it, because a vocabulary that is read says what becomes of its text; "
            f"set task.lowercase so, or take another vocabulary"
        )
    return found


def _read(spec: TaskSpec) -> Source:
    if spec.name == "csv":
        return read_own(spec)
    if spec.name == "translation":
        return read_parallel(spec)
    if spec.hub:
        return read_hub(spec.name, spec.folder)
    return _fashion.read(spec.folder) if spec.name == "fashion_mnist" else GLUE[spec.name].read(spec.name, spec.folder)


def _normalised(part: Part) -> Examples:
    """(x/255 − mean)/deviation of the images."""
    pixels = (part.inputs[0].astype(np.float32) / 255 - _fashion.MEAN) / _fashion.DEVIATION
    return Examples({"pixels": pixels}, part.labels)


def _check(spec: TaskSpec) -> None:
    """Settings that contradict each other: one that would be ignored is refused."""
    names = get_args(TaskSpec.__annotations__["name"])
    if spec.name not in names:
        raise TensorNetError(f"task: no task {spec.name!r}; take one of {', '.join(names)}")
    for name in ("train_size", "dev_size", "split_seed"):
        value, least = getattr(spec, name), int(name != "split_seed")
        if value is not None and value < least:
            raise TensorNetError(f"{spec.name}: {name}={value}, needed {least} or more; leave it out for the default")
    if spec.name in OPTIONS and spec.hub:
        raise TensorNetError(
            f"{spec.name}: hub=True, needed local files, because one's own are not on the hub; set hub=False"
        )
    given = {f.name for f in fields(spec) if getattr(spec, f.name) != f.default}
    for one, other in combinations(PARTS.get(spec.name, ()), 2):
        if (file := getattr(spec, one)) is not None and _place(spec, file) == _place(spec, getattr(spec, other)):
            raise TensorNetError(
                f"{spec.name}: {one} and {other} are both {file}, needed two, because what is chosen on examples, or "
                f"learnt from them, is not tested by them; leave one out, where a part of train will do, or give another"
            )
    for name, options in OPTIONS.items():
        ignored = [option for option in options if option in given]
        if spec.name != name and ignored:
            raise TensorNetError(
                f"{spec.name}: {', '.join(ignored)} given, needed name={name} for that, because {spec.name} has no such "
                f"setting; leave it out, or set name to {name}"
            )


def _place(spec: TaskSpec, file: Path | str | None) -> Path | None:
    """Where a part lies, by whatever way it is named."""
    return None if file is None else ((spec.folder or Path()) / file).resolve()
