"""Weight Distillation: a plan of generators from student and teacher, and the optimiser that trains them."""

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.optim import Optimizer

import tensornet as tn
from tensornet import TensorNetError
from tensornet.generator import Pairs

from ._conv1d import stores_transposed
from ._optimizer import Overparameterized
from ._overparameterize import overparameterize
from ._wrapped import inside

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

TABLES = r"(.*\.)?(pos[^.]*|[^.]*embeddings?)"  # as torchvision, timm and others call bare parameters of tables


def generators(
    student: nn.Module,
    teacher: nn.Module,
    *,
    pairs: Pairs | None = None,
    heads: tuple[int, int] | None = None,
    tables: str = TABLES,
) -> tn.Generators:
    """Which weights of `student` are generated from which of `teacher`; names and shapes are looked at, no values.

    Every trainable parameter: matrices, vectors, and tables, of nn.Embedding or a class that is called Embedding. Tied ones are
    one weight, under the first of their names; frozen ones are left out. The rest is as in `tensornet.generators`.

    tables  regular expression of the names of further tables, as of positions that are a bare parameter
    raises: TensorNetError also for a Conv1D of Transformers (GPT-2), whose weights are (in, out)
    """
    student, teacher = inside(student), inside(teacher)
    if not (isinstance(student, nn.Module) and isinstance(teacher, nn.Module)):
        raise TensorNetError(
            f"generators: got ({type(student).__name__}, {type(teacher).__name__}), needed two nn.Modules, because they say "
            f"which weights are embeddings; pass the models, or names and shapes to tensornet.generators"
        )
    named = dict(student.named_parameters())
    _check_layout(student)
    first = {id(p): n for n, p in named.items()}
    embeddings = [m.weight for m in student.modules() if _is_embedding(m)]
    return tn.generators(
        {n: tuple(p.shape) for n, p in named.items()},
        {n: tuple(p.shape) for n, p in _named(teacher).items()},
        pairs=pairs,
        tables={first[id(w)] for w in embeddings if id(w) in first} | {n for n in named if re.fullmatch(tables, n)},
        heads=heads,
        dense={n: "frozen (requires_grad=False)" for n, p in named.items() if not p.requires_grad},
    )


def generate(
    optimizer: Optimizer,
    model: nn.Module,
    plan: tn.Generators,
    teacher: nn.Module | Mapping[str, Tensor],
    *,
    start: str = "teacher",
    normal: Callable[[tuple[int, ...]], Tensor] | None = None,
    max_factor_norm: float | None = None,
    low_memory: bool = False,
    guard: str = "values",
    group: "ProcessGroup | None" = None,
) -> Overparameterized:
    """Train the generators of the planned weights in their place: phase 1 of Weight Distillation.

    The model becomes the generated student at once and is it after every step: same modules, same parameters, same
    state_dict keys. Phase 2 is going on without this optimiser: make a dense one over the same model.

    optimizer  over the student's parameters, not yet stepped; it becomes the inner one. Its weight decay acts on all of a
               generator: maps, scale and shift
    plan       from `generators(model, teacher)`
    teacher    the model, or its state_dict(); its weights are constants, on the student's device, and in no state_dict: a
               digest of them is, by which another teacher is refused
    start      "teacher": S = T where shapes are equal, a part of it else; "published", random; see `tensornet.Generated.start`
    normal     shape → standard normal entries from your own generator, e.g. torch.randn, seeded alike in all processes; for
               "published"
    the rest   as in `overparameterize`

    raises: TensorNetError for a teacher without a planned weight, or with NaN or Inf; and as `overparameterize`
    """
    if not isinstance(plan, tn.Generators):
        raise TensorNetError(
            f"generate: got a {type(plan).__name__} for a plan, needed tensornet.Generators, because they say what a weight is "
            f"generated from; make them by generators(student, teacher); a Plan of formats goes to overparameterize"
        )
    held = teacher if isinstance(teacher, Mapping) else _named(teacher)
    places = {n: p.device for n, p in inside(model).named_parameters()}
    moved = {s: _whole(held[s], places.get(n)) for n, g in plan.items() for s in g.sources if s in held}
    options: dict[str, Any] = {
        "max_factor_norm": max_factor_norm,
        "low_memory": low_memory,
        "lr_transfer": False,
        "guard": guard,
        "group": group,
    }
    return overparameterize(optimizer, model, plan.of(moved, start, normal), **options)


def _check_layout(student: nn.Module) -> None:
    for name, module in student.named_modules():
        if stores_transposed(module):
            raise TensorNetError(
                f"generators: {name} is a Conv1D of Transformers, needed weights (out, in), because what writes units and what "
                f"reads them are told apart by their axes; put nn.Linear layers in its place in both models"
            )


def _is_embedding(module: nn.Module) -> bool:
    return isinstance(module, nn.Embedding | nn.EmbeddingBag) or type(module).__name__ == "Embedding"


def _named(model: nn.Module) -> dict[str, Tensor]:
    """By all their names, of which a tied weight has several."""
    return dict(inside(model).named_parameters(remove_duplicate=False))


def _whole(weight: Any, device: Any) -> Tensor:
    """A constant, on the student's device; a sharded teacher's weights are gathered."""
    found = weight.full_tensor() if hasattr(weight, "full_tensor") else weight
    return found.detach().to(device)
