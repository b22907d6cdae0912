"""The encoder–decoder: what it may see, what its keys and values kept from step to step say, its files."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from opdf.tasks._task import padded
from opdf.translation._architecture import Architecture
from opdf.translation._files import build
from opdf.translation._network import seen, sinusoids

SMALL = Architecture(vocabulary=11, encoder=2, decoder=2, width=16, heads=2, feed_forward=24, positions=20)


def network(**changes):
    made = build(Architecture(**{**vars(SMALL), **changes}), 0).eval()
    with torch.no_grad():
        for p in made.parameters():
            p.mul_(1.5)  # so that it has opinions
    return made


def batch(sources, targets):
    """Inputs of these rows of ids."""
    ids, mask = padded([np.array(row) for row in sources], 1, None, 0)
    read, read_mask = padded([np.array(row) for row in targets], 1, None, 0)
    named = {"input_ids": ids, "attention_mask": mask, "target_ids": read, "target_mask": read_mask}
    return {name: torch.from_numpy(x) for name, x in named.items()}


SOURCES, TARGETS = [[3, 4, 5, 6, 2], [7, 2], [8, 9, 2]], [[1, 5], [1, 6, 7, 8], [1]]


@torch.no_grad()
def test_padding_changes_nothing():
    model = network()
    together = model(batch(SOURCES, TARGETS))
    alone = torch.cat([model(batch([s], [t])) for s, t in zip(SOURCES, TARGETS, strict=True)])
    torch.testing.assert_close(together, alone)


@torch.no_grad()
def test_no_place_sees_what_comes_after_it():
    model = network()
    one, other = model(batch([SOURCES[0]], [[1, 5, 6, 7]])), model(batch([SOURCES[0]], [[1, 5, 9, 10]]))
    torch.testing.assert_close(one[:2], other[:2])
    assert not torch.allclose(one[2:], other[2:])


@torch.no_grad()
def test_every_place_sees_all_of_the_source():
    model = network()
    one, other = model(batch([[3, 4, 2]], [[1, 5]])), model(batch([[3, 5, 2]], [[1, 5]]))
    assert not torch.isclose(one, other).all(1).any()
    turned = model(batch([[4, 3, 2]], [[1, 5]]))
    assert not torch.isclose(one, turned).all(1).any(), "the order of the source has no influence"


@torch.no_grad()
@pytest.mark.parametrize("tied", [True, False])
def test_steps_say_what_one_pass_says(tied):
    model = network(tied=tied)
    ids, mask = padded([np.array(row) for row in SOURCES], 1, None, 0)
    mask = seen(torch.from_numpy(mask))
    source = model.decoder.source(model.encoder(torch.from_numpy(ids), mask))
    targets = torch.randint(3, 11, (len(SOURCES) * 2, 4))  # two translations of each
    targets[:, 0] = 1
    before, found = [], []
    for u in range(targets.shape[1]):
        hidden, before = model.decoder.step(targets[:, u], before, source, mask)
        found.append(model.decoder.logits(hidden))
    whole = model(batch([s for s in SOURCES for _ in range(2)], targets.tolist()))
    torch.testing.assert_close(torch.stack(found, 1).flatten(0, 1), whole)


def test_dropout_is_of_training_alone():
    model = network(dropout=0.5)
    inputs = batch(SOURCES, TARGETS)
    assert torch.equal(model(inputs), model(inputs))
    model.train()
    assert not torch.allclose(model(inputs), model(inputs))


def test_sinusoids_are_those_of_the_paper():
    found = sinusoids(5, 6)
    for n in range(5):
        for i in range(3):
            angle = n / 10000 ** (2 * i / 6)
            assert found[n, 2 * i] == pytest.approx(np.sin(angle), abs=1e-6)
            assert found[n, 2 * i + 1] == pytest.approx(np.cos(angle), abs=1e-6)


def test_every_parameter_is_trained():
    model = network()
    cross_entropy(model(batch(SOURCES, TARGETS)), torch.tensor([5, 2, 6, 7, 8, 2, 2])).backward()
    # a bias of the keys adds the same to all scores of a query, which the softmax does not see
    still = [n for n, p in model.named_parameters() if "key.bias" not in n and not (p.grad.abs() > 1e-7).any()]
    assert not still


def test_names_are_those_that_rules_read():
    names = dict(network().named_parameters())
    for name in ("encoder.layers.0.attention.query.weight", "decoder.layers.1.cross.key.weight"):
        assert names[name].shape == (16, 16)
    assert names["encoder.layers.1.feed_forward.inner.weight"].shape == (24, 16)
    assert "decoder.output.weight" not in names
    assert dict(network(tied=False).named_parameters())["decoder.output.weight"].shape == (11, 16)


def test_a_seed_makes_the_same_network_and_leaves_the_generator():
    before = torch.get_rng_state()
    one, other = build(SMALL, 3), build(SMALL, 3)
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))
    assert torch.equal(before, torch.get_rng_state())
