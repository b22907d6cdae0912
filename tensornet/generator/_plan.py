"""Generators, the plan of which weights are generated from what; and Generation, the same over a teacher's weights."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._arrays import Array
from .._columns import columns
from .._coordinates import Coordinated
from .._errors import TensorNetError, some
from ._generated import Generated
from ._generator import Generator, Shape


@dataclass(frozen=True)
class Generators(Mapping[str, Generator]):
    """The plan of a Weight Distillation, before any array is seen; it prints as a table.

    generators  student weight → its generator
    dense       student weight → why it is trained as it is
    transposed  names of weights that their framework stores as (in, out), as JAX kernels are
    """

    generators: Mapping[str, Generator]
    dense: Mapping[str, str] = field(default_factory=dict)
    transposed: frozenset[str] = frozenset()

    def __getitem__(self, name: str) -> Generator:
        return self.generators[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.generators)

    def __len__(self) -> int:
        return len(self.generators)

    @property
    def num_params(self) -> int:
        """Entries of all that is trained in place of the generated weights; the teacher's are none of them."""
        return sum(g.num_params for g in self.generators.values())

    def of(
        self,
        teacher: Mapping[str, Array],
        start: str = "teacher",
        normal: Callable[[tuple[int, ...]], Array] | None = None,
    ) -> "Generation":
        """These generators over the weights of a teacher, by name, (out, in) each.

        raises: TensorNetError for a weight that the teacher lacks or has in another shape, an unknown start
        """
        lost = sorted({s for g in self.values() for s in g.sources if s not in teacher})
        if lost:
            raise TensorNetError(
                f"Generators: the teacher has no {some(lost)}, needed all weights of the plan, because students' are generated "
                f"from them; pass the teacher that was planned for"
            )
        return Generation(self, {n: g.of([teacher[s] for s in g.sources], start, normal) for n, g in self.items()})

    def to_json(self) -> str:
        generators = {n: g.to_dict() for n, g in self.items()}
        data = {"generators": generators, "dense": dict(self.dense), "transposed": sorted(self.transposed)}
        return json.dumps(data, indent=1)

    @staticmethod
    def from_json(text: str) -> "Generators":
        try:
            data = json.loads(text)
            made = {n: _read(g) for n, g in data["generators"].items()}
            return Generators(made, dict(data["dense"]), frozenset(data["transposed"]))
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise TensorNetError(
                f"Generators: this text is not what to_json writes ({error!r}), needed that, because a plan is read to the "
                f"letter; pass it"
            ) from error

    def __str__(self) -> str:
        rows = [(n, _by(g.shape), g.form, str(g.num_params), ", ".join(g.sources)) for n, g in self.items()]
        rows += [(n, "", "dense", "", why) for n, why in self.dense.items()]
        entries = sum(math.prod([*g.shape]) for g in self.values())
        total = f"{len(self)} weights of {entries} entries are generated from {self.num_params} trained ones"
        return f"{columns([('weight', 'shape', 'generator', 'trained', 'from'), *rows], right={3})}\n{total}"


@dataclass(frozen=True, eq=False)
class Generation(Coordinated[Generated]):
    """Generators over a teacher's weights, as an optimiser takes them."""

    plan: Generators
    generated: Mapping[str, Generated]

    @property
    def transposed(self) -> frozenset[str]:  # type: ignore[override]
        return self.plan.transposed

    @property
    def stacked(self) -> Mapping[str, int]:  # type: ignore[override]
        return {}

    def __getitem__(self, name: str) -> Generated:
        return self.generated[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.generated)

    def __len__(self) -> int:
        return len(self.generated)

    def to_json(self) -> str:
        return json.dumps({n: g.to_dict() for n, g in self.items()}, indent=1)


def _read(data: Mapping[str, Any]) -> Generator:
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items() if k != "format"}
    return Generator(**fields)


def _by(shape: Shape) -> str:
    return "×".join(map(str, shape))
