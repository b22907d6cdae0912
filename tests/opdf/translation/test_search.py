"""Beam search against all translations there are, and against one pass for each piece."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from opdf.tasks._vocabulary import BOS, EOS
from opdf.translation import _search
from opdf.translation._architecture import Architecture
from opdf.translation._files import build
from opdf.translation._search import translations

SOURCES = [np.array(row) for row in ([3, 2], [4, 5, 3, 2], [5, 2], [6, 6, 4, 3, 5, 2], [2], [3, 4, 2])]


def network(seed, vocabulary=6):
    made = build(Architecture(vocabulary, 2, 2, 16, 2, 24, positions=30, dropout=0.0), seed).eval()
    with torch.no_grad():
        for p in made.parameters():
            p.mul_(1.7)
        # ends are rare enough for translations to have some length
        made.decoder.embedding.weight[EOS] *= 0.5
    return made


def logits(model, source, read):
    """(len(read), vocabulary), in one pass."""
    ones = torch.ones(1, len(source), dtype=torch.int64), torch.ones(1, len(read), dtype=torch.int64)
    ids = torch.from_numpy(source)[None], torch.tensor([read])
    names = ("input_ids", "target_ids", "attention_mask", "target_mask")
    with torch.no_grad():
        return model(dict(zip(names, (*ids, *ones), strict=True)))


def score(model, source, pieces, length_penalty):
    """Σ log p / n^α of a translation, its end among the n."""
    said = logits(model, source, [BOS, *pieces]).log_softmax(1)
    whole = [*pieces, EOS]
    return float(said[torch.arange(len(whole)), whole].sum()) / len(whole) ** length_penalty


@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 1.0, 2.0])
@pytest.mark.parametrize("seed", range(3))
def test_a_beam_that_loses_nothing_finds_the_best_of_all(monkeypatch, seed, length_penalty):
    # sources of 2 and 1 ids have translations of 5 and 3 at most, EOS among them
    monkeypatch.setattr(_search, "MORE", 2)
    model, sources = network(seed), [SOURCES[0], SOURCES[4]]
    found = translations(model, sources, 3**5, length_penalty)
    for source, ids in zip(sources, found, strict=True):
        every = (p for n in range(3 * len(source) // 2 + 2) for p in itertools.product(range(3, 6), repeat=n))
        best = max((score(model, source, pieces, length_penalty), pieces) for pieces in every)
        assert tuple(ids) == best[1]


def greedy(model, source):
    """The likeliest piece again and again, a whole pass for each."""
    read, limit = [BOS], min(3 * len(source) // 2 + _search.MORE, model.architecture.positions)
    while len(read) < limit:
        said = logits(model, source, read)[-1]
        said[:EOS] = -torch.inf  # padding and beginning are never said
        if (piece := int(said.argmax())) == EOS:
            break
        read.append(piece)
    return read[1:]


@pytest.mark.parametrize("seed", range(4))
def test_a_beam_of_one_is_the_likeliest_piece_at_each_step(seed):
    model = network(seed, vocabulary=9)
    found = translations(model, SOURCES, 1)
    assert [row.tolist() for row in found] == [greedy(model, source) for source in SOURCES]
    assert len({len(row) for row in found}) > 1


def searched(ahead, source, k, length_penalty, positions=30):
    """Beam search by the rules that the module states, one beginning and one pass at a time; it stops only for k that ended.

    ahead  beginning → logits of what may come next
    """
    limit = min(3 * len(source) // 2 + _search.MORE, positions)
    beginnings, ended = [(0.0, [])], []
    for n in range(1, limit + 1):
        longer = []
        for total, pieces in beginnings:
            said = ahead([BOS, *pieces]).log_softmax(0).tolist()
            allowed = range(EOS, len(said)) if n < limit else [EOS]
            longer += [(total + said[piece], [*pieces, piece]) for piece in allowed]
        longer.sort(reverse=True)
        ended += [(total / n**length_penalty, pieces[:-1]) for total, pieces in longer[:k] if pieces[-1] == EOS]
        if len(ended) >= k:
            break
        beginnings = [(total, pieces) for total, pieces in longer if pieces[-1] != EOS][:k]
    return max(ended)[1]


@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
@pytest.mark.parametrize("beam", [2, 3, 4])
def test_a_beam_that_loses_something_keeps_what_the_rules_say(beam, length_penalty):
    differ = 0
    for seed in range(4):
        model = network(seed, vocabulary=9)
        found = [row.tolist() for row in translations(model, SOURCES, beam, length_penalty)]
        for source, pieces in zip(SOURCES, found, strict=True):
            assert pieces == searched(lambda r, m=model, s=source: logits(m, s, r)[-1], source, beam, length_penalty)
        differ += found != [greedy(model, source) for source in SOURCES]
    assert differ


class Chain:
    """In the place of a network: what comes next hangs on the last piece and on how many there are, so that often several
    beginnings end at once.
    """

    training = False

    def __init__(self, seed, vocabulary=9):
        self.table = 3 * torch.randn(30, vocabulary, vocabulary, generator=torch.Generator().manual_seed(seed))
        self.decoder, self.architecture = self, SimpleNamespace(positions=30)
        self.embedding = SimpleNamespace(weight=self.table)

    def eval(self): ...

    def train(self, mode): ...

    def encoder(self, ids, mask): ...

    def source(self, encoded):
        return []

    def step(self, last, before, source, mask):
        n = before[0][0] + 1 if before else torch.zeros_like(last)
        return (n, last), [(n, n)]

    def logits(self, hidden):
        return self.table[hidden]


@pytest.mark.parametrize("beam", [3, 4])
def test_a_beginning_that_goes_on_gives_way_to_none_that_ends(beam):
    for seed in range(20):
        chain = Chain(seed)
        found = translations(chain, SOURCES, beam, 1.0)
        for source, pieces in zip(SOURCES, found, strict=True):
            assert pieces.tolist() == searched(lambda r, c=chain: c.table[len(r) - 1, r[-1]], source, beam, 1.0)


@pytest.mark.parametrize("beam", [1, 2, 4])
def test_company_and_order_change_nothing(monkeypatch, beam):
    model = network(1, vocabulary=9)
    together = translations(model, SOURCES, beam)
    backwards = translations(model, SOURCES[::-1], beam)[::-1]
    monkeypatch.setattr(_search, "BATCH", 2)
    for others in (backwards, translations(model, SOURCES, beam), [translations(model, [s], beam)[0] for s in SOURCES]):
        assert [row.tolist() for row in together] == [row.tolist() for row in others]


def test_a_wider_beam_finds_better_translations():
    found = {beam: 0.0 for beam in (1, 6)}
    for seed in range(6):
        model = network(seed, vocabulary=9)
        for beam in found:
            rows = translations(model, SOURCES, beam, 0.0)
            found[beam] += sum(score(model, s, row.tolist(), 0.0) for s, row in zip(SOURCES, rows, strict=True))
    assert found[6] > found[1] + 1e-3


def test_the_penalty_makes_translations_longer():
    model = network(2, vocabulary=9)
    short, long = (sum(len(row) for row in translations(model, SOURCES, 6, penalty)) for penalty in (0.0, 2.0))
    assert long > short


def test_a_network_in_training_stays_so_and_draws_nothing():
    model = build(Architecture(9, 1, 1, 16, 2, 24, positions=30, dropout=0.5), 0)
    before = torch.get_rng_state()
    one, other = (translations(model.train(), SOURCES, 2) for _ in range(2))
    assert all((a == b).all() for a, b in zip(one, other, strict=True))
    assert model.training
    assert torch.equal(before, torch.get_rng_state())


def test_no_more_pieces_than_positions():
    model = network(0)
    with torch.no_grad():
        model.decoder.embedding.weight[EOS] = -model.decoder.norm.weight * 3
    source = np.array([3] * 29 + [2])
    assert len(translations(model, [source], 2)[0]) < 30


def test_nothing_to_translate():
    assert translations(network(0), []) == []
