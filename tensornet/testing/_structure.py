"""Laws of what a format says of itself."""

import json
import math

from .._contract import contract, linearize
from .._errors import TensorNetError
from .._format import Format
from ..formats import from_dict
from ._case import Case
from ._counting import Tally
from ._law import require


def shapes_match(case: Case) -> None:
    """Factors have the shapes that the network declares, their contraction that of the matrix."""
    fmt = case.fmt
    factors = fmt.decompose(case.weight())
    got = tuple(tuple(f.shape) for f in factors)
    require(isinstance(factors, tuple), f"decompose returned a {type(factors).__name__}", "a tuple")
    require(got == fmt.shapes == fmt.network.shapes, f"factors have shapes {got}", f"{fmt.network.shapes}")
    made = tuple(fmt.contract(factors).shape)
    require(made == fmt.shape, f"they contract to {made}", f"{fmt.shape}")
    holds = all(n <= m for n, m in zip(fmt.matrix_shape, fmt.network.shape, strict=True))
    require(
        holds,
        f"the network makes a matrix of {fmt.network.shape}",
        f"one as large as {fmt.matrix_shape}, padding included",
    )
    central = fmt.central
    free = set(range(len(fmt.shapes))) - set(fmt.auxiliary)
    require(free == ({central} - {None}), f"central {central}, auxiliary {fmt.auxiliary}", "each factor in one of them")


def counts_are_true(case: Case) -> str | None:
    """num_params, scale and the operations, against factors counted and the path run on arrays without entries."""
    fmt = case.fmt
    entries = sum(math.prod(f.shape) for f in fmt.decompose(case.weight()))
    require(fmt.num_params == entries, f"num_params is {fmt.num_params}", f"the {entries} entries of the factors")
    scale = entries / math.prod(fmt.shape)
    require(fmt.scale == scale, f"scale is {fmt.scale}", f"{scale}")
    forward, both = Tally(), Tally()
    if type(fmt).contract is not Format.contract or type(fmt).linearize is not Format.linearize:
        return "contract or linearize are the format's own, whose operations nobody can count"
    contract(fmt.path, forward.arrays(fmt.shapes))
    require(fmt.path.flops == forward.flops, f"path.flops is {fmt.path.flops}", f"the {forward.flops} of contract")
    *factors, gradient = both.arrays([*fmt.shapes, fmt.network.shape])
    linearize(fmt.path, factors)[1](gradient)
    require(fmt.flops == both.flops, f"flops is {fmt.flops}", f"the {both.flops} of contract and pullback together")
    return None


def plain_data(case: Case) -> None:
    """The format survives JSON, and is the same key in a dict afterwards."""
    text = json.dumps(case.fmt.to_dict())
    try:
        back = from_dict(json.loads(text))
    except TensorNetError as error:
        require(False, f"{text} is not read back ({error})", "a class decorated with @tensornet.formats.register")
    require(back == case.fmt and hash(back) == hash(case.fmt), f"{text} is read back as {back!r}", f"{case.fmt!r}")


def bad_input_refused(case: Case) -> None:
    """NaN, Inf, integers, wrong shapes and foreign factors are TensorNetErrors, not something from below."""
    fmt, xp, w = case.fmt, case.xp, case.weight()
    out, *rest = fmt.shape
    refusals = {
        "a NaN weight": lambda: fmt.decompose(xp.full_like(w, math.nan)),
        "an Inf weight": lambda: fmt.decompose(xp.full_like(w, math.inf)),
        "an integer weight": lambda: fmt.decompose(xp.zeros(fmt.shape, dtype=xp.int32)),
        "a weight of another shape": lambda: fmt.decompose(xp.zeros((out + 1, *rest), dtype=case.dtype)),
        "an unknown gauge": lambda: fmt.decompose(w, gauge="no such gauge"),
        "no factors": lambda: fmt.contract(()),
    }
    for what, attempt in refusals.items():
        try:
            attempt()
        except TensorNetError:
            continue
        except Exception as error:
            require(False, f"{what} raised {type(error).__name__}: {error}", "a TensorNetError that explains")
        require(False, f"{what} was taken", "a TensorNetError that explains")
