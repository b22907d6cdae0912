"""Plan: a mapping from weight name to format that prints as a table and travels as JSON."""

import dataclasses
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._errors import TensorNetError
from .._format import Format
from ..formats import from_dict
from ._pairs import pair_names
from ._rules import Rules, Shape, Weights, match

VERSION = 1


@dataclass(frozen=True)
class Plan(Mapping[str, Format]):
    """Which weight takes which format.

    formats     weight name → format of that weight as a matrix (out, in)
    skipped     weight name → why it has no format, for weights that could have had one
    transposed  names of weights that their framework stores as (in, out), as JAX kernels are
    teachers    weight name → aligned weight of the teacher
    weights     names of all the model's weights, planned or not, by which layers are counted
    """

    formats: Mapping[str, Format]
    skipped: Mapping[str, str] = field(default_factory=dict)
    transposed: frozenset[str] = frozenset()
    teachers: Mapping[str, str] = field(default_factory=dict)
    weights: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Format:
        return self.formats[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.formats)

    def __len__(self) -> int:
        return len(self.formats)

    @property
    def num_params(self) -> int:
        return sum(f.num_params for f in self.formats.values())

    def aligned(self, teacher: Mapping[str, Shape], pairs: Any) -> "Plan":
        """This plan with the teacher weight of each weight.

        teacher: names and shapes (out, in) of the teacher's weights
        raises: TensorNetError if a pair names nothing, or its two weights cannot have factors of equal shapes
        """
        found = pair_names(self.weights or list(self), list(teacher), pairs, list(self))
        for name, other in found.items():
            if teacher[other] != self[name].shape:
                raise TensorNetError(
                    f"Alignment: {name} {self[name].shape} is paired with the teacher's {other} {teacher[other]}, whose "
                    f"factors have other shapes; a pair needs equal shapes, because Eq. 5 compares factor by factor; pair "
                    f"weights of equal shape or leave this one out (map it to None)"
                )
        return dataclasses.replace(self, teachers=found)

    def to_json(self) -> str:
        data = {
            "version": VERSION,
            "formats": {n: f.to_dict() for n, f in self.formats.items()},
            "skipped": dict(self.skipped),
            "transposed": sorted(self.transposed),
            "teachers": dict(self.teachers),
            "weights": list(self.weights),
        }
        return json.dumps(data, indent=1)

    @staticmethod
    def from_json(text: str) -> "Plan":
        try:
            data = json.loads(text)
            version = data["version"]
            keys = ("formats", "skipped", "transposed", "teachers", "weights") if version == VERSION else ()
            parts = [data[k] for k in keys]
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise TensorNetError(f"Plan: this text is not what Plan.to_json writes ({error!r}); pass that") from error
        if version != VERSION:
            raise TensorNetError(
                f"Plan: version {version} was written by another release, this one reads {VERSION}; install that release"
            )
        formats, skipped, transposed, teachers, weights = parts
        made = {n: from_dict(f) for n, f in formats.items()}
        return Plan(made, skipped, frozenset(transposed), teachers, tuple(weights))

    def __str__(self) -> str:
        head = ("weight", "shape", "format", "params ×", "GFLOP/step", "factors MB", "teacher")
        rows = [(name, *_cells(fmt), self.teachers.get(name, "–")) for name, fmt in self.formats.items()]
        rows += [(name, "", "–", "", "", "", f"skipped: {why}") for name, why in self.skipped.items()]
        widths = [max(len(r[c]) for r in (head, *rows)) for c in range(len(head))]
        return "\n".join(
            "  ".join(cell.ljust(w) for cell, w in zip(r, widths, strict=True)).rstrip() for r in (head, *rows)
        )


def plan(
    shapes: Mapping[str, Shape],
    rules: Rules = "all-linear",
    *,
    format: str | type[Format] = "mpo",
    linear: Collection[str] | None = None,
    skipped: Mapping[str, str] | None = None,
    transposed: Collection[str] = (),
    **options: Any,
) -> Plan:
    """Choose a format for each weight, from names and shapes alone.

    shapes   weight name → shape, matrices as (out, in)
    rules    "all-linear"; a regular expression for the whole name; a list of names or dotted suffixes; a dict from
             regular expression to a format, the name of one, or a function shape → format; a function (name, shape) →
             format | None. What an expression matches beside matrices is left out, and the table says so
    format   the format where the rule names none, made by its for_shape(shape, **options)
    linear   what "all-linear" means; all matrices by default
    skipped  weights left out beforehand, with the reason, for the table
    raises: TensorNetError if a rule matches nothing, two rules match one weight, or a shape does not fit or split
    """
    linear = [n for n, s in shapes.items() if len(s) == 2] if linear is None else linear
    formats, left_out = match(Weights(shapes, linear, skipped or {}), rules, format, options)
    left_out = {**(skipped or {}), **left_out}
    return Plan(formats, left_out, frozenset(transposed) & frozenset(formats), weights=(*shapes, *(skipped or {})))


def _cells(fmt: Format) -> tuple[str, ...]:
    data = {k: v for k, v in fmt.to_dict().items() if k not in ("format", "bonds")}
    described = f"{fmt.name} " + " ".join(
        f"{k}={'·'.join(map(str, v)) if isinstance(v, tuple) else v}" for k, v in data.items()
    )
    rows, cols = fmt.shape
    return f"{rows}×{cols}", described, f"{fmt.scale:.2f}", f"{fmt.flops / 1e9:.3g}", f"{4 * fmt.num_params / 1e6:.3g}"
