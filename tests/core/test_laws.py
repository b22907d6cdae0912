"""Every law, on random formats of every kind, in every library and dtype."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import BY_NAME, DTYPES, EVERYTHING, in_turn
from strategies import formats

import tensornet as tn
from tensornet.testing import LAWS, check_format, laws
from tensornet.testing._case import Case

# JAX compiles each operation for each shape: test_laws_jax.py, and all of it here by `make laws`
EAGER = [BY_NAME[n] for n in ("strict", "numpy", "torch", *(["jax"] if EVERYTHING else []))]

AWKWARD = [
    tn.MPO((4, 1, 1, 1, 3), (2, 1, 1, 1, 3)),  # the paper's layout
    tn.MPO((2, 3, 2), (3, 2, 2)),
    tn.MPO((2, 2, 2, 2), (2, 1, 2, 2)),
    tn.MPO((8,), (6,)),  # one factor: no bond, nothing auxiliary
    tn.MPO((1, 1), (1, 1)),
    tn.MPO((1, 1, 1), (2, 3, 2)),  # 1 × n
    tn.MPO((7, 1), (1, 5)),  # primes
    tn.MPO((1, 4, 3, 1), (1, 2, 3, 1)),  # unit modes at both ends
    tn.MPO((2, 3, 2), (3, 2, 2), bonds=(3, 3)),
    tn.MPO((6, 4), (4, 4), bonds=(1,)),
    tn.LowRank(6, 4),
    tn.LowRank(4, 9),
    tn.LowRank(1, 5),
    tn.LowRank(8, 6, 2),
    tn.LowRank(1, 1),
    tn.Kronecker((2, 3), (3, 2)),
    tn.Kronecker((1, 4), (3, 1), 2),
    tn.CP((2, 3), (4,)),
    tn.CP((4,), (5,), 3),  # two modes: a low-rank product
    tn.CP((2, 2), (3,), 2),
    tn.CP((2,), (3,), 1, (1, 2)),
    tn.Tucker((2, 3), (4,), (2, 2, 3)),
    tn.Tucker((2,), (9,), None, (2,)),  # one mode above the product of the others
    tn.Tucker((4,), (3,), (2, 2, None), (3,)),
    tn.Tucker((3,), (2,), (None, None)),  # the core alone
    tn.TensorRing((2, 2, 2), (2, 1, 2)),
    tn.TensorRing((4, 2), (3, 1)),  # a first factor above the others
    tn.TensorRing((2,), (3,), None, None, (2, 2)),
    tn.TensorRing((2, 1, 2), (2, 1, 2), 3, (2, 2)),
    tn.BlockTensorTrain((4, 3), (2, 4), 2),
    tn.BlockTensorTrain((1, 4), (3, 2)),
    tn.Monarch((2, 3), (3, 2)),
    tn.Monarch((1, 1), (2, 3)),
    tn.ConvMPO((2, 1, 3), (1, 1, 2), (2,)),
    tn.ConvMPO((2, 3), (3, 1), (2, 3), (3, 2)),
    tn.formats.Padded.for_shape((7, 5), cores=3),
    tn.BlockTensorTrain.for_shape((5, 7), rank=2, pad=True),
    tn.ConvMPO.for_shape((5, 3, 2, 2), pad=True),
]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
@pytest.mark.parametrize("library", EAGER, ids=lambda library: library.name)
@pytest.mark.parametrize("dtype", DTYPES)
def test_law_holds_for_random_formats(law, library, dtype):
    @settings(max_examples=library.examples)
    @given(fmt=formats(), seed=st.integers(0, 9))
    def holds(fmt, seed):
        law.check(Case(fmt, library.xp, getattr(library.xp, dtype), seed=seed))

    holds()


@pytest.mark.parametrize("library", EAGER, ids=lambda library: library.name)
@pytest.mark.parametrize("fmt", AWKWARD, ids=str)
def test_awkward_format_keeps_the_laws(fmt, library):
    check_format(fmt, xp=library.xp, dtype=in_turn(library, AWKWARD.index(fmt)))


def test_few_laws_are_let_off():
    """What does not apply is said, and to an ordinary format nearly all apply."""
    verdicts = check_format(tn.MPO((2, 3, 2), (3, 2, 2)), xp=BY_NAME["torch"].xp)
    assert tuple(verdicts) == laws()
    assert [n for n, v in verdicts.items() if v != "holds"] == ["a search ends where nothing is gained"]
    truncated = check_format(tn.LowRank(4, 3, 2))
    excused = {n for n, v in truncated.items() if v != "holds"}
    excused -= {"a search ends where nothing is gained"}
    assert excused == {"identity gauge is exact", "16-bit weights are taken", "every direction is reached"}


def test_laws_hold_on_another_device():
    """Whatever makes an array without asking where fails here."""
    xp = BY_NAME["strict"].xp
    for fmt in (tn.MPO((2, 1, 3), (3, 1, 2)), tn.LowRank(4, 3, 2)):
        check_format(fmt, device=xp.Device("device1"))


def test_default_library_is_the_strict_one(monkeypatch):
    seen = set()
    fill = tn.LowRank._fill
    monkeypatch.setattr(tn.LowRank, "_fill", lambda self, w, gauge: seen.add(type(w)) or fill(self, w, gauge))
    check_format(tn.LowRank(3, 2))
    assert seen == {type(BY_NAME["strict"].xp.asarray(1.0))}


def test_without_any_library_says_so(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("tensornet.testing._laws.importlib.import_module", missing)
    with pytest.raises(tn.TensorNetError, match=r"found neither array_api_strict nor numpy.*pass yours as xp="):
        check_format(tn.LowRank(3, 2))
