"""Plan: a mapping from weight name to format that prints as a table and travels as JSON."""

import dataclasses
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from operator import index
from typing import Any

from .._columns import columns
from .._coordinates import Coordinated
from .._errors import TensorNetError
from .._format import Format
from ..formats import from_dict
from ._layers import layers_taken
from ._makers import Shape
from ._pairs import pair_names
from ._rules import Rules, Weights, match
from ._widths import teacher_format

VERSION = 1


@dataclass(frozen=True)
class Plan(Coordinated[Format]):
    """Which weight takes which format.

    formats     weight name → format of that weight (out, in) or (out, in, *kernel)
    skipped     weight name → why it has no format, for weights that could have had one
    transposed  names of weights that their framework stores as (in, out), as JAX kernels are
    teachers    weight name → aligned weight of the teacher
    weights     names of all the model's weights, planned or not, by which layers are counted
    stacked     weight name → how many layers its leading axis counts, as scan over layers stores them: the format is of
                one layer's matrix, and its factors have that axis too
    widths      weight name → shape of its teacher's weight, where that is another
    """

    formats: Mapping[str, Format]
    skipped: Mapping[str, str] = field(default_factory=dict)
    transposed: frozenset[str] = frozenset()
    teachers: Mapping[str, str] = field(default_factory=dict)
    weights: tuple[str, ...] = ()
    stacked: Mapping[str, int] = field(default_factory=dict)
    widths: Mapping[str, Shape] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Format:
        return self.formats[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.formats)

    def __len__(self) -> int:
        return len(self.formats)

    @property
    def num_params(self) -> int:
        """Entries of all factors of all layers."""
        return sum(f.num_params * self.stacked.get(n, 1) for n, f in self.formats.items())

    def teacher_format(self, name: str) -> Format:
        """The format of the teacher's weight that `name` is paired with: another than its own where widths differ."""
        return teacher_format(self[name], self.widths.get(name, self[name].shape))

    def aligned(self, teacher: Mapping[str, Shape], pairs: Any) -> "Plan":
        """This plan with the teacher weight of each weight.

        teacher: names and shapes, as here, of the teacher's weights; (layers, out, in) of a stack. Of a stack of N layers
            one of n takes those of `layers_taken`
        raises: TensorNetError if a pair names nothing, or its two weights cannot have auxiliary factors of equal shapes
        """
        found = pair_names(self.weights or list(self), list(teacher), pairs, list(self))
        shapes = {name: self._shape_of_one(name, other, tuple(teacher[other]), pairs) for name, other in found.items()}
        widths = {name: shape for name, shape in shapes.items() if shape != self[name].shape}
        return dataclasses.replace(self, teachers=found, widths=widths)

    def _shape_of_one(self, name: str, other: str, theirs: Shape, pairs: Any) -> Shape:
        """The shape of the teacher's weight, or of one layer of its stack, if it can be paired."""
        ours, layers = self[name].shape, self.stacked.get(name)
        if layers and len(theirs) != len(ours) + 1:
            raise TensorNetError(
                f"Alignment: {name} is a stack of {layers} × {ours} and is paired with the teacher's {other} {theirs}; needed "
                f"a stack, because layer is paired with layer; stack the teacher's layers alike, or leave this one out (map "
                f"it to None)"
            )
        if layers:
            layers_taken(layers, theirs[0], pairs)
        one = theirs[1:] if layers else theirs
        try:
            teacher_format(self[name], one)
        except TensorNetError as error:
            raise TensorNetError(
                f"Alignment: {name} {ours} is paired with the teacher's {other} {theirs}, needed auxiliary factors of equal "
                f"shapes, because Eq. 5 compares factor by factor ({str(error).rpartition('; ')[0]}); plan {name} with "
                f"tensornet.planning.joint_formats, pair weights of equal shape, or leave this one out (map it to None)"
            ) from error
        return one

    def to_json(self) -> str:
        data = {
            "version": VERSION,
            "formats": {n: f.to_dict() for n, f in self.formats.items()},
            "skipped": dict(self.skipped),
            "transposed": sorted(self.transposed),
            "teachers": dict(self.teachers),
            "weights": list(self.weights),
            **({"stacked": dict(self.stacked)} if self.stacked else {}),
            **({"widths": {n: list(s) for n, s in self.widths.items()}} if self.widths else {}),
        }
        return json.dumps(data, indent=1)

    @staticmethod
    def from_json(text: str) -> "Plan":
        try:
            data = json.loads(text)
            version = data["version"]
            keys = ("formats", "skipped", "transposed", "teachers", "weights") if version == VERSION else ()
            parts, stacked, widths = [data[k] for k in keys], data.get("stacked", {}), data.get("widths", {})
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise TensorNetError(f"Plan: this text is not what Plan.to_json writes ({error!r}); pass that") from error
        if version != VERSION:
            raise TensorNetError(
                f"Plan: version {version} was written by another release, this one reads {VERSION}; install that release"
            )
        kinds = (dict, dict, list, dict, list)
        if not (all(map(isinstance, parts, kinds)) and isinstance(stacked, dict) and isinstance(widths, dict)):
            raise TensorNetError(
                f"Plan: {', '.join(keys)}, stacked or widths are of other types than Plan.to_json writes; pass its text"
            )
        formats, skipped, transposed, teachers, weights = parts
        made = {n: from_dict(f) for n, f in formats.items()}
        stacked, widths = _checked_layers(stacked), _checked_shapes(widths)
        return Plan(made, skipped, frozenset(transposed), teachers, tuple(weights), stacked, widths)

    def __str__(self) -> str:
        head = ("weight", "shape", "format", "params ×", "GFLOP/step", "factors MB", "teacher")
        rows = [(name, *_cells(fmt, self.stacked.get(name)), self._partner(name)) for name, fmt in self.formats.items()]
        rows += [(name, "", "–", "", "", "", f"skipped: {why}") for name, why in self.skipped.items()]
        return columns([head, *rows])

    def _partner(self, name: str) -> str:
        """The teacher's weight, and its shape where that is another."""
        return " ".join([self.teachers.get(name, "–"), "×".join(map(str, self.widths.get(name, ())))]).rstrip()


def plan(
    shapes: Mapping[str, Shape],
    rules: Rules = "all-linear",
    *,
    format: str | type[Format] = "mpo",
    linear: Collection[str] | None = None,
    skipped: Mapping[str, str] | None = None,
    transposed: Collection[str] = (),
    stacked: Mapping[str, int] | None = None,
    **options: Any,
) -> Plan:
    """Choose a format for each weight, from names and shapes alone.

    shapes   weight name → shape, matrices as (out, in), kernels as (out, in, *kernel)
    rules    "all-linear"; a regular expression for the whole name; a list of names or dotted suffixes; a dict from
             regular expression to a format, a format class or its name, or a function shape → format; a function
             (name, shape) → format | None. Weights that an expression matches and whose number of axes the format does not
             take, vectors say, are left out, and the table says so
    format   the format where the rule names none, made by its for_shape(shape, **options)
    linear   what "all-linear" means; all matrices by default
    skipped  weights left out beforehand, with the reason, for the table
    stacked  weight name → layers that are stacked along a leading axis, which `shapes` leaves out
    options  of for_shape, e.g. cores=5, scale=0.5, pad=True
    raises: TensorNetError if a rule matches nothing, two rules match one weight, a shape does not fit or split, or an option
        is unknown or would change nothing
    """
    shapes = _checked_shapes(shapes)
    linear = [n for n, s in shapes.items() if len(s) == 2] if linear is None else linear
    formats, left_out = match(Weights(shapes, linear, skipped or {}), rules, format, options)
    left_out = {**(skipped or {}), **left_out}
    layers = {n: count for n, count in _checked_layers(stacked or {}).items() if n in formats}
    names = (*shapes, *(skipped or {}))
    return Plan(formats, left_out, frozenset(transposed) & frozenset(formats), weights=names, stacked=layers)


def _checked_shapes(shapes: Any) -> dict[str, Shape]:
    """Names and tuples of integers; arrays, whose rows could pass for sizes, and models are refused."""
    try:
        return {name: tuple(index(n) for n in shape) for name, shape in shapes.items()}
    except (AttributeError, TypeError) as error:
        raise TensorNetError(
            f"plan: got a {type(shapes).__name__} that is no mapping from names to shapes ({error}), needed one, because "
            f"plans are made before any array exists; pass {{name: w.shape, …}}, or a model to the plan of an adapter"
        ) from error


def _checked_layers(stacked: Mapping[str, Any]) -> dict[str, int]:
    bad = [f"{n}: {count!r}" for n, count in stacked.items() if type(count) is not int or count < 1]
    if bad:
        raise TensorNetError(
            f"plan: stacked gives {', '.join(bad)}, needed an integer of at least 1 for each, because it counts the layers "
            f"along a weight's leading axis; pass {{name: w.shape[0], …}}"
        )
    return dict(stacked)


def _cells(fmt: Format, layers: int | None) -> tuple[str, ...]:
    shape, n = "×".join(map(str, fmt.shape)), layers or 1
    counted = f"{layers} of {shape}" if layers else shape
    gflop, megabytes = n * fmt.flops / 1e9, 4 * n * fmt.num_params / 1e6
    return counted, _described(fmt), f"{fmt.scale:.2f}", f"{gflop:.3g}", f"{megabytes:.3g}"


def _described(fmt: Format) -> str:
    """Name and fields; bonds where they cut something off, because full ones follow from the rest."""
    values = {f.name: getattr(fmt, f.name) for f in dataclasses.fields(fmt)}  # type: ignore[arg-type]
    return f"{fmt.name} " + " ".join(f"{k}={_value(v)}" for k, v in values.items() if k != "bonds" or not fmt.exact)


def _value(value: Any) -> str:
    if isinstance(value, Format):
        return f"({_described(value)})"
    return "·".join("–" if v is None else str(v) for v in value) if isinstance(value, tuple) else str(value)
