"""All laws, and the one call that holds a format to them."""

import importlib
from collections.abc import Collection
from typing import Any

from array_api_compat import array_namespace

from .._errors import TensorNetError
from .._format import Format
from . import (
    _alignment,
    _apply,
    _contraction,
    _cost,
    _decomposition,
    _distance,
    _files,
    _gauges,
    _lookup,
    _rotation,
    _sampling,
    _search,
    _structure,
    _training,
    _truncation,
)
from ._case import Case
from ._law import Law

_FILL = "look at _fill, and at the order of indices in network"
_DERIVED = "leave this to Format, or make your override agree with it"

LAWS: tuple[Law, ...] = (
    Law("shapes match the network", _structure.shapes_match, "everything is derived from it", _FILL),
    Law(
        "parameters and operations are counted",
        _structure.counts_are_true,
        "plans promise them",
        _DERIVED,
    ),
    Law(
        "JSON round trip",
        _structure.plain_data,
        "plans and checkpoints name formats as plain data",
        "keep the fields of the frozen dataclass to integers, strings and tuples of them, and register the class",
    ),
    Law(
        "files keep every bit",
        _files.keep_every_bit,
        "a weight that is saved and loaded is the same weight",
        "keep the fields to plain values, and factors to the shapes that network declares",
    ),
    Law(
        "contract(decompose(W)) = W",
        _decomposition.reconstructs,
        "training would start from another model than the one given",
        f"{_FILL}; never divide by a singular value, and never square one",
    ),
    Law(
        "a search ends where nothing is gained",
        _search.ends_where_nothing_is_gained,
        "factors that one more sweep would improve are not the format's best",
        "leave _fill to Format, or call tensornet.fitting.searched in yours",
    ),
    Law(
        "identity gauge is exact",
        _decomposition.identity_is_exact,
        "it is what promises that nothing at all changes",
        "put W into one factor and identities into the others, or refuse this gauge",
    ),
    Law(
        "16-bit weights are taken",
        _decomposition.half_precision_taken,
        "most checkpoints are 16-bit, and no SVD or QR is",
        "leave the dtype that _fill is given as it is",
    ),
    Law(
        "dtype and device are kept",
        _decomposition.dtype_and_device_kept,
        "a silent copy to another device or dtype is slow or wrong",
        "make new arrays with dtype=w.dtype and device=device(w)",
    ),
    Law(
        "factors own their memory",
        _decomposition.owns_its_memory,
        "optimisers update factors in place",
        "copy what is returned twice, as a view, or as it was given; broadcast arrays are views",
    ),
    Law(
        "bad input is refused",
        _structure.bad_input_refused,
        "errors from below explain nothing",
        "let Format check first",
    ),
    Law("apply = x @ W.T", _contraction.apply_is_a_product, "inference on factors is meant to be the same", _DERIVED),
    Law("apply carries leading axes", _apply.apply_carries_lead_axes, "stacked weights share one call", _DERIVED),
    Law("prepared = apply", _apply.prepared_is_apply, "constant factors are paid once, and change nothing", _DERIVED),
    Law("lookup is rows of the matrix", _lookup.lookup_is_rows, "an embedding looks its rows up", _DERIVED),
    Law(
        "sampled factors give the variance asked",
        _sampling.sample_has_the_variance,
        "a layer's outputs would grow or fade from the start",
        _DERIVED,
    ),
    Law("costs are counted", _cost.cost_is_counted, "limits and choices are made by them", _DERIVED),
    Law("pullback is the gradient", _contraction.pullback_is_the_gradient, "the optimiser is fed with it", _DERIVED),
    Law(
        "order of contraction does not matter",
        _contraction.order_does_not_matter,
        "the path is ours to choose",
        _DERIVED,
    ),
    Law("leading axes are carried", _contraction.lead_axes_carried, "stacked weights share one call", _FILL),
    Law(
        "contraction is gauge-invariant",
        _contraction.contraction_is_gauge_invariant,
        "a bond is summed over and nothing else",
        "name every summed index in exactly two factors",
    ),
    Law(
        "distance is that of the dense matrices",
        _distance.distance_is_dense,
        "errors are certified by it",
        "let the network say all that contract does",
    ),
    Law(
        "orthogonal gauges are isometries",
        _gauges.orthogonal_forms,
        "norms and truncation errors are read off the centre",
        "sweep by QR towards the centre, or refuse this gauge",
    ),
    Law(
        "balanced gauge splits evenly",
        _gauges.balanced_form,
        "factors of unlike norms train at unlike speeds",
        "give each side of a bond the square root of its Schmidt values",
    ),
    Law(
        "gradient steps go downhill",
        _training.steps_go_downhill,
        "a weight that no step can move never trains",
        "no product of two factors may vanish together: put a floor under the values on one side of each bond",
    ),
    Law(
        "every direction is reached",
        _training.every_direction_reached,
        "what no factor can move at the start stays as it is",
        "put floors and identities on the side away from the largest factor",
    ),
    Law(
        "a zero weight learns",
        _training.zero_weight_learns,
        "pruned and zero-initialised weights have to train too",
        "put a floor on one side of each bond and the value on the other",
    ),
    Law(
        "the error of a truncation is within its bound",
        _truncation.certificate_holds,
        "a certificate that fails is none",
        "let resized change bonds and nothing else, and network name every index",
    ),
    Law(
        "truncation at the same bonds loses nothing",
        _truncation.full_bonds_lose_nothing,
        "errors are of what was cut away, and nothing was",
        "let resized change bonds and nothing else",
    ),
    Law(
        "spectra are singular values",
        _truncation.spectra_are_singular_values,
        "ranks are chosen by them",
        "let the network say all that contract does",
    ),
    Law("alignment is zero at equality", _alignment.zero_at_equality, "a perfect student has nothing to learn", _FILL),
    Law(
        "alignment is blind to the gauge",
        _alignment.blind_to_the_gauge,
        "signs and rotations of factors are arbitrary",
        "let bonds be what joins two factors, and leave auxiliary to Format",
    ),
    Law(
        "alignment undoes rotations",
        _rotation.rotations_are_undone,
        "a loss of arbitrary signs and rotations pulls nowhere",
        "let bonds be what joins two factors; name an index that all factors share in rows or cols",
    ),
    Law("alignment gradient is the slope", _alignment.gradient_is_the_slope, "optimisers are fed with it", _DERIVED),
)


def laws() -> tuple[str, ...]:
    """The names of all laws, in the order in which `check_format` goes through them."""
    return tuple(law.name for law in LAWS)


def check_format(
    fmt: Format,
    *,
    xp: Any = None,
    dtype: Any = None,
    device: Any = None,
    seed: int = 0,
    only: Collection[str] | None = None,
) -> dict[str, str]:
    """Hold a format to every law. Small sizes do: a law that fails on a large matrix fails on a small one.

    xp      array library, e.g. numpy, torch or jax.numpy; None takes array_api_strict, or NumPy where that is missing
    dtype   a floating dtype of that library; None takes float32, float64 and, if the format is `complex`, complex64, as far
            as the library has them
    device  where to make the arrays; None is the library's default
    seed    of the random matrices
    only    names of laws, out of `laws()`; None goes through all
    returns: law → "holds", in one dtype at least, or why it does not apply to this format
    raises: LawError for the first law that is broken
    """
    chosen = _chosen(only)
    xp = array_namespace((xp or _default_library()).asarray([0.0]))
    known = xp.__array_namespace_info__().dtypes()
    names = ("float32", "float64", "complex64") if fmt.complex else ("float32", "float64")
    dtypes = [known[n] for n in names if n in known] if dtype is None else [dtype]
    verdicts: dict[str, str] = {}
    for each in dtypes:
        case = Case(fmt, xp, each, device, seed)
        found = {law.name: law.check(case) for law in chosen}
        verdicts |= {name: verdict for name, verdict in found.items() if verdicts.get(name) != "holds"}
    return verdicts


def _chosen(only: Collection[str] | None) -> tuple[Law, ...]:
    names = laws() if only is None else tuple(only)
    if not names or isinstance(only, str) or not set(names) <= set(laws()):
        raise TensorNetError(
            f"check_format: only={only!r}, needed a list of at least one name of a law, because a check of no law passes; the "
            f"laws are {', '.join(laws())}"
        )
    return tuple(law for law in LAWS if law.name in names)


def _default_library() -> Any:
    for name in ("array_api_strict", "numpy"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            continue
    raise TensorNetError(
        "check_format: found neither array_api_strict nor numpy, needed an array library, because the laws compute; "
        "install one (pip install array-api-strict) or pass yours as xp="
    )
