"""The table [sweep] of a configuration, and what the command line puts over it → Sweep."""

import os
import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

from tensornet import TensorNetError

from ..distill import _check, _toml
from ..distill._idle import unread
from . import _keys
from ._spec import CACHE, Arm, Point, Sweep

SLOWER = (  # keys on which the time of a run depends, beside its networks and data
    *("host", "training.epochs", "training.batch_size", "training.precision", "training.matmul"),
    *("training.group_by_length", "opdf.on", "opdf.cores", "opdf.layout", "opdf.rules", "opdf.lr_transfer"),
)
OWN = ("title", "same_time_as", "grid")  # keys of an arm that are none of the configuration's


@dataclass(frozen=True)
class Table:
    """[sweep], as it stands in the file."""

    seeds: int = 5
    select_seeds: int = 2
    workers: int | None = None
    baseline: str | None = None
    keep_students: bool = True
    grid: dict = field(default_factory=dict)
    arms: dict = field(default_factory=dict)


def read(
    path: str | os.PathLike[str],
    out: Path,
    *,
    seeds: int | None = None,
    select_seeds: int | None = None,
    grid: Sequence[str] = (),
    overrides: Sequence[str] = (),
) -> tuple[Sweep, int | None]:
    """The sweep of a configuration, and the number of workers that it asks for.

    grid       "training.lr=1e-4,3e-4": in place of the common grid's values of that key
    overrides  "training.device=cuda": in place of the file's value, for arms that neither set nor vary it
    raises: TensorNetError for what `opdf distill` refuses, at every point of the grid; for numbers below 1, an empty grid, an
            arm that is not there, and a circle of equal times
    """
    base = {key: _keys.value(text) for key, text in map(_keys.assignment, overrides)}
    config = _toml.read(path, base)
    whole = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    table: Table = _toml._build(Table, whole.pop(_toml.SWEEP, {}), f"{_toml.SWEEP}.")
    common = dict(_keys.dotted(table.grid))
    common |= {key: [_keys.value(t) for t in text.split(",") if t] for key, text in map(_keys.assignment, grid)}
    arms = table.arms or {config.host: {}}
    made = [_arm(name, entry, common, whole, base) for name, entry in arms.items()]
    seeds = table.seeds if seeds is None else seeds
    sweep = Sweep(
        out,
        tuple(_with_twin(arm, made) for arm in made),
        made[0].name if table.baseline is None else table.baseline,
        seeds,
        min(seeds, table.select_seeds if select_seeds is None else select_seeds),
        table.keep_students,
    )
    _consistent(sweep)
    return sweep, table.workers


def _arm(name: str, table: Any, common: Mapping[str, Any], whole: Mapping[str, Any], base: Mapping[str, Any]) -> Arm:
    if not re.fullmatch(r"[A-Za-z0-9][\w.+-]*", name) or name == CACHE or not isinstance(table, Mapping):
        raise TensorNetError(
            f"opdf sweep: the arm {name!r} = {table!r}, needed a name of letters, digits and .+-_ other than {CACHE!r}, and a "
            f"table, because the name becomes a folder; write [{_toml.SWEEP}.arms.some_name]"
        )
    own = dict(_keys.dotted(table.get("grid", {})))
    fixed = dict(_keys.dotted({key: value for key, value in table.items() if key not in OWN}))
    varied = {key: values for key, values in common.items() if key not in fixed} | own
    for key in [*base, *fixed, *varied]:
        _keys.check(key)
    if twice := sorted(fixed.keys() & own.keys()):
        raise TensorNetError(
            f"opdf sweep: the arm {name!r} gives {', '.join(twice)} itself and in its grid, needed one of them, because a "
            f"run has one value; remove the other"
        )
    for key, values in varied.items():
        if not isinstance(values, list) or not values:
            raise TensorNetError(
                f"opdf sweep: the grid of {key} is {values!r}, needed a list of one value at least, because each is a point "
                f"to try; give some, e.g. [1e-4, 3e-4]"
            )
    points = [_point(whole, {**base, **fixed}, dict(zip(varied, v, strict=True))) for v in product(*varied.values())]
    unique = {point.name: point for point in points}  # a value given twice is tried once
    _distinct(name, points, unique)
    _all_read(name, points, {*fixed, *own})
    return Arm(name, str(table.get("title", name)), tuple(unique.values()), table.get("same_time_as"))


def _distinct(arm: str, points: Sequence[Point], unique: Mapping[str, Point]) -> None:
    for point in points:
        if point.config != unique[point.name].config:
            raise TensorNetError(
                f"opdf sweep: the arm {arm!r} has two points {point.name!r}, needed names that differ in letters, digits and "
                f".,=+-, because each becomes a folder; rename the files or values of that grid"
            )


def _all_read(arm: str, points: Sequence[Point], keys: Collection[str]) -> None:
    """That what an arm sets or varies itself changes its runs: its title says so."""
    idle = [unread(point.config) for point in points]
    for key in sorted(keys):
        if all(key in found for found in idle):
            raise TensorNetError(
                f"opdf sweep: the arm {arm!r} gives {key}, which is not read, because {idle[0][key]}; needed a value that "
                f"its runs depend on, because their name says that they do; set what it needs, or remove it"
            )


def _point(whole: Mapping[str, Any], fixed: Mapping[str, Any], varied: Mapping[str, Any]) -> Point:
    config = _toml.parsed(whole, {**fixed, **varied})
    _check.check(config)
    values = {key: _toml.value_at(config, key) for key in varied}  # as read: 1 is 1.0 where a float is meant
    name = ",".join(f"{key}={_said(value)}" for key, value in values.items())
    return Point(re.sub(r"[^\w.,=+-]", "_", name) or "default", values, config)


def _said(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _with_twin(arm: Arm, arms: Sequence[Arm]) -> Arm:
    twins = [a.name for a in arms if a.same_time_as is None and a.points == arm.points]
    return replace(arm, twin=twins[0]) if twins and arm.same_time_as else arm


def _takes_time(key: str) -> bool:
    return key in SLOWER or key.startswith(("task.", "teacher.", "student.", "generator."))


def _consistent(sweep: Sweep) -> None:
    if sweep.seeds < 1 or sweep.select_seeds < 1:
        raise TensorNetError(
            f"opdf sweep: seeds={sweep.seeds}, select_seeds={sweep.select_seeds}, needed 1 of each at least, because an arm is "
            f"the mean over its seeds; give such numbers"
        )
    names = [a.name for a in sweep.arms]
    for what, name in [("baseline", sweep.baseline), *(("same_time_as", a.same_time_as) for a in sweep.arms)]:
        if name is not None and name not in names:
            raise TensorNetError(
                f"opdf sweep: {what} = {name!r} is no arm, needed one of {', '.join(names)}, because it is compared with; "
                f"correct the name, or add [{_toml.SWEEP}.arms.{name}]"
            )
    for arm in sweep.arms:
        if arm.same_time_as and (costly := sorted(filter(_takes_time, arm.points[0].values))):
            raise TensorNetError(
                f"opdf sweep: the arm {arm.name!r} varies {', '.join(costly)} and has same_time_as, needed a grid whose points "
                f"take as long as each other, because its epochs are multiplied by one number; set that in the arm instead"
            )
        way = [arm.name]
        while (following := sweep.arm(way[-1]).same_time_as) is not None:
            if following in way:
                raise TensorNetError(
                    f"opdf sweep: same_time_as goes in a circle, {' → '.join([*way, following])}, needed an arm at its end "
                    f"with epochs of its own, because that one is timed; remove one of these"
                )
            way.append(following)
