"""The names that others build on (design §8) stay where they are."""

import tensornet as tn
import tensornet_jax
import tensornet_torch

NAMES = (
    "Format Network Path Mixed TensorNetError formats testing files Plan plan top importance suggest Alignment align "
    "MPO LowRank Kronecker BlockTensorTrain Monarch Tucker CP TensorRing ConvMPO Padded "
    "distance norm save load fit Fit truncate approximate Truncation spectra entropy Suggestion Cost Machine draw step_scales "
    "Coordinates Generator Generators Generated Generation generators"
)

ATTRIBUTES = "shape shapes bonds num_params scale central auxiliary decompose contract linearize apply pullback"


def test_names_of_the_core():
    assert set(NAMES.split()) <= set(dir(tn))
    assert len(tn.formats.names()) >= 10


def test_names_of_the_adapters():
    both = "plan overparameterize Alignment compress dense receipt save_pretrained from_pretrained to_run from_run "
    both += "generators generate "
    torch_names = both + "Overparameterized"
    jax_names = both + "OverparameterizedState materialize Factorized"
    assert set(torch_names.split()) <= set(dir(tensornet_torch))
    assert set(jax_names.split()) <= set(dir(tensornet_jax))


def test_names_of_testing():
    assert {"check_format", "assert_gauge_invariant", "LawError", "LAWS", "laws"} <= set(dir(tn.testing))
    assert len(set(tn.testing.laws())) == len(tn.testing.LAWS)


def test_attributes_of_a_format():
    fmt = tn.MPO((2, 3), (3, 2))
    for name in ATTRIBUTES.split():
        assert hasattr(fmt, name)


def test_law_error_is_an_assertion():
    assert issubclass(tn.testing.LawError, AssertionError)


def test_every_law_has_its_five_parts():
    for law in tn.testing.LAWS:
        assert law.name
        assert law.why
        assert law.advice
        assert law.test.__doc__
