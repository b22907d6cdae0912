"""The laws in JAX: once as it comes, and with every call of a format under jit."""

import pytest
from libraries import BY_NAME, DTYPES, EVERYTHING

import tensornet as tn
from tensornet import Format, _distance, _norm
from tensornet._arrays import checked_weight
from tensornet._lookup import check_ids
from tensornet.testing import _alignment, _measure, check_format, laws

CASES = [  # every case compiles anew, for many seconds: each format once, each dtype twice
    (tn.MPO((2, 1, 3), (3, 1, 2)), "float32"),
    (tn.LowRank(5, 3), "complex64"),
    (tn.Kronecker((2, 3), (3, 2)), "complex64"),
    (tn.CP((2, 2), (3,)), "float32"),
    (tn.Tucker((3,), (4,), (2, 2, None), (2,)), "float64"),
    (tn.TensorRing((2, 2), (2, 2)), "float64"),
    (tn.BlockTensorTrain((3, 2), (1, 3), 2), "float32"),
    (tn.Monarch((2, 2), (1, 3)), "float64"),
    (tn.ConvMPO((2, 2), (1, 3), (2,)), "float32"),
    (tn.MPO.for_shape((5, 7), cores=2, pad=True), "float64"),
]
if EVERYTHING:
    FORMATS = [fmt for fmt, _ in CASES] + [tn.MPO((2, 3, 2), (3, 2, 2), bonds=(3, 3)), tn.LowRank(4, 9)]
    CASES = [(fmt, dtype) for fmt in FORMATS for dtype in DTYPES]
EAGER = "the error of a truncation is within its bound"  # it looks at values at each step: jit changes nothing in it


@pytest.fixture
def jitted(monkeypatch):
    """Every call of a format, and align, is compiled; only what looks at values stays outside."""
    import jax

    plain, align = Format.decompose, jax.jit(tn.align, static_argnums=0, static_argnames="gauge")
    compiled = jax.jit(lambda fmt, w, gauge: plain(fmt, w, gauge=gauge, check_finite=False), static_argnums=(0, 2))

    def decompose(fmt, w, /, *, gauge="balanced", check_finite=True):
        if check_finite and tuple(w.shape[-len(fmt.shape) :]) == fmt.shape:
            checked_weight("test", w, check_finite=True)
        return compiled(fmt, w, gauge)

    plain_lookup = Format.lookup
    rows = jax.jit(lambda fmt, factors, ids: plain_lookup(fmt, factors, ids, check=False), static_argnums=0)

    def lookup(fmt, factors, ids, /, *, check=True):
        if check and ids.size:
            check_ids("test", ids, fmt.shape[0])
        return rows(fmt, tuple(factors), ids)

    monkeypatch.setattr(Format, "decompose", decompose)
    monkeypatch.setattr(Format, "lookup", lookup)
    for name in ("contract", "pullback", "apply"):
        call = jax.jit(getattr(Format, name), static_argnums=0)
        monkeypatch.setattr(Format, name, lambda fmt, factors, *x, call=call: call(fmt, tuple(factors), *x))
    for name in ("_norm", "_relative"):
        monkeypatch.setattr(_measure, name, jax.jit(getattr(_measure, name)))
    for module, name, static in ((_distance, "distance", (0, 2)), (_norm, "norm", 0)):
        monkeypatch.setattr(module, name, jax.jit(getattr(module, name), static_argnums=static))
    monkeypatch.setattr(_alignment, "align", lambda fmt, s, t, gauge: align(fmt, tuple(s), tuple(t), gauge=gauge))


@pytest.mark.parametrize(("fmt", "dtype"), CASES, ids=str)
def test_laws_hold_under_jit(fmt, dtype, jitted):
    xp = BY_NAME["jax"].xp
    only = laws() if EVERYTHING else set(laws()) - {EAGER}
    check_format(fmt, xp=xp, dtype=getattr(xp, dtype), only=only)


@pytest.mark.parametrize("fmt", [tn.MPO((2, 1), (1, 3)), tn.CP((2,), (3,), 1, (2,))], ids=str)
def test_laws_hold_eagerly(fmt):
    xp = BY_NAME["jax"].xp
    check_format(fmt, xp=xp, dtype=xp.float64, only=laws() if EVERYTHING else {EAGER})
