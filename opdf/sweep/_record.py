"""sweep.json: what the runs of a folder are runs of, so that two sweeps never mix in one table."""

import glob
import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from tensornet import TensorNetError
from tensornet.files._replace import replacing

from ..distill import _toml
from ..distill._config import Config
from ..distill._teachers import folder_digest
from ._keys import dotted
from ._spec import Sweep

RECORD, METRICS = "sweep.json", "metrics.jsonl"
TIME = "same_time_as"  # of the point's arm, beside the keys of the configuration
ELSEWHERE = (
    "out",
    "cache",
    "tensorboard",
    "wandb",
    "training.seed",
    "training.device",
    "training.threads",
)  # no matter
MODELS = ("teacher.source", "student.compact")
DIGEST = ", "  # between a model's name and what tells its weights
WERE = {"opdf.lr_transfer": False}  # defaults of keys when they were new, where they have changed


def record(sweep: Sweep) -> None:
    """Write down the values of every point; those of before stay, so that arms, points and seeds can be added.

    raises: as `compare`
    """
    every = compare(sweep)
    sweep.out.mkdir(parents=True, exist_ok=True)
    with replacing(sweep.out / RECORD) as file:
        file.write(json.dumps(every, indent=1).encode())


def compare(sweep: Sweep) -> dict[str, Any]:
    """Point → its values, of this sweep and of those that ran in its folder before.

    raises: TensorNetError if a point has other values now than when runs of it began
    """
    path = sweep.out / RECORD
    digest = cache(folder_digest)  # most points share a teacher, and encoders are large
    # A key that the program has learnt since then had its default, as it was then.
    defaults = _values(_toml.parsed({"task": {"name": sweep.arms[0].points[0].config.task.name}}), digest) | WERE
    now = {
        f"{arm.name}/{p.name}": _values(p.config, digest) | {TIME: arm.same_time_as}
        for arm in sweep.arms
        for p in arm.timed_points
    }
    before: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for point in sorted(now.keys() & before.keys()):
        if not any(path.parent.glob(f"{glob.escape(point)}/*/{METRICS}")):
            continue  # nothing has been trained there: a mistake was corrected
        then = {**defaults, TIME: now[point][TIME], **before[point]}  # older records do not say whose time an arm had
        if changed := sorted(_changes(then, now[point])):
            raise TensorNetError(
                f"opdf sweep: {sweep.out} holds runs of {point} with {', '.join(changed)}, needed the same "
                f"configuration, because runs of two do not compare; take another --out, or the configuration of then"
            )
        for key in MODELS:
            if _is_absent(key, then.get(key), now[point].get(key)):
                now[point][key] = max(then[key], now[point][key], key=len)  # with the digest of the one that was there
    return {**before, **now}


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for key in before.keys() | now.keys():
        if before.get(key) != now.get(key) and not _is_absent(key, before.get(key), now.get(key)):
            yield f"{key} = {before.get(key)!r} then, {now.get(key)!r} now"


def _is_absent(key: str, before: Any, now: Any) -> bool:
    """Whether a model of one name was there only then, or is only now: of its weights at the other time nothing is known."""
    (then, _, was), (name, _, being) = (str(value).partition(DIGEST) for value in (before, now))
    return key in MODELS and then == name and bool(was) != bool(being)


def _values(config: Config, digest: Callable[[str], str | None]) -> dict[str, Any]:
    """Dotted key → value. Of a path its last part, as on another machine the same data lie elsewhere; of a model's also what
    tells its weights from those in another folder of that name.
    """
    found = {key: _last_part(value) for key, value in dotted(_toml.to_dict(config)) if key not in ELSEWHERE}
    for key in MODELS:
        if (place := _toml.value_at(config, key)) is not None and (of := digest(place)) is not None:
            found[key] += f"{DIGEST}{of[:12]}"
    return found


def _last_part(value: Any) -> Any:
    return value.rstrip("/").rpartition("/")[2] if isinstance(value, str) else value
