"""Beam search: the k likeliest beginnings of each translation go on together, in one batch.

A translation y of n pieces, its end among them, has the score Σ_i log p(y_i | y_<i, x) / n^α; α = 0 leaves length alone. A
sentence is done when k of its translations have ended, each among the k best continuations of a step, or when no beginning can
become better than the best of them, which is taken. k = 1 takes the likeliest piece at each step; with a k that nothing falls
out of, it is the best translation there is.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tensornet import TensorNetError

from ..tasks._task import padded
from ..tasks._vocabulary import BOS, EOS, PAD
from ._attention import KeysValues
from ._network import TranslationNetwork, seen

BATCH = 64  # sentences that are translated together
MORE = 10  # pieces that a translation may have beside one and a half times its source's


def translations(
    network: TranslationNetwork,
    sources: Sequence[np.ndarray],
    beam: int = 5,
    length_penalty: float = 1.0,
) -> list[np.ndarray]:
    """The translation of each source, pieces without BOS and EOS; a function of the sources, on one machine.

    sources  ids of each, EOS at its end
    raises: TensorNetError for a beam below 1, a penalty below 0, or more pieces than the network has positions
    """
    check(network, sources, beam, length_penalty)
    order = np.argsort([len(row) for row in sources], kind="stable")  # so that little is padding
    found: list[np.ndarray] = [np.empty(0, np.int64)] * len(sources)
    training = network.training
    network.eval()
    try:
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            for n, ids in zip(rows, _searched(network, [sources[n] for n in rows], beam, length_penalty), strict=True):
                found[n] = ids
    finally:
        network.train(training)
    return found


def check(network: TranslationNetwork, sources: Sequence[np.ndarray], beam: int, length_penalty: float) -> None:
    positions = network.architecture.positions
    longest = max((len(row) for row in sources), default=0)
    if longest > positions:
        raise TensorNetError(
            f"translate: a sentence of {longest} pieces, its end among them, needed {positions} at most, because the network "
            f"has as many positions; split the sentence"
        )
    if beam < 1:
        raise TensorNetError(
            f"translate: beam={beam}, needed 1 or more, because that many beginnings are kept; 1 takes the likeliest piece at "
            f"each step, 5 is usual"
        )
    if not 0 <= length_penalty < math.inf:
        raise TensorNetError(
            f"translate: length_penalty={length_penalty}, needed a number from 0 up, because the search stops once no "
            f"beginning can become better, which cannot be told below 0; 0 leaves length alone, 1 is usual"
        )


@torch.no_grad()
def _searched(
    network: TranslationNetwork, sources: Sequence[np.ndarray], beam: int, length_penalty: float
) -> list[np.ndarray]:
    device = network.decoder.embedding.weight.device
    ids, mask = (torch.from_numpy(x).to(device) for x in padded(sources, 1, None, PAD))
    beams = Beams(network, ids, seen(mask), beam, length_penalty)
    while len(beams.rows):
        beams.step()
    return [row[:n].cpu().numpy() for row, n in zip(beams.texts, beams.lengths.tolist(), strict=True)]


class Beams:
    """Of the b sentences of B that are not done, k beginnings each.

    texts, lengths  (B, longest), (B,) the best translation that has ended, without EOS
    rows            (b,) which of the B;  limit (b,) pieces that each translation may have, its end among them
    pieces          (b, k, u) of the beginnings;  total (b, k) Σ log p, −inf for one that there is not
    best, ended     (b,) the best score of what has ended, and how much has
    """

    def __init__(
        self, network: TranslationNetwork, ids: Tensor, mask: Tensor, beam: int, length_penalty: float
    ) -> None:
        self.decoder, self.k, self.penalty = network.decoder, beam, length_penalty
        size, device = len(ids), ids.device
        self.mask, self.source = mask, network.decoder.source(network.encoder(ids, mask))
        self.before: list[KeysValues] = []
        self.rows = torch.arange(size, device=device)
        self.limit = (3 * mask[:, 0, 0].sum(1) // 2 + MORE).clamp(max=network.architecture.positions)
        self.texts = torch.full((size, int(self.limit.max())), PAD, device=device)
        self.lengths = torch.zeros(size, dtype=torch.int64, device=device)
        self.pieces = torch.empty((size, beam, 0), dtype=torch.int64, device=device)
        self.total = torch.full((size, beam), -torch.inf, device=device)
        self.total[:, 0] = 0.0  # one beginning, the empty one
        self.best = torch.full((size,), -torch.inf, device=device)
        self.ended = torch.zeros(size, dtype=torch.int64, device=device)

    def step(self) -> None:
        """All beginnings, one piece longer."""
        u = self.pieces.shape[2]
        last = self.pieces[:, :, -1] if u else torch.full_like(self.total, BOS, dtype=torch.int64)
        hidden, self.before = self.decoder.step(last.flatten(), self.before, self.source, self.mask)
        ahead = self.decoder.logits(hidden).log_softmax(1).view(len(self.rows), self.k, -1)
        ahead[..., [PAD, BOS]] = -torch.inf
        over = self.limit == u + 1
        ahead[over, :, :EOS] = ahead[over, :, EOS + 1 :] = -torch.inf
        # 2k continuations, of which k at most end: each beginning ends in one way
        candidates = (self.total[..., None] + ahead).flatten(1).topk(2 * self.k)
        beginning, piece = candidates.indices // ahead.shape[2], candidates.indices % ahead.shape[2]
        ends = piece == EOS
        self._end(candidates.values[:, : self.k].masked_fill(~ends[:, : self.k], -torch.inf), beginning)
        going = candidates.values.masked_fill(ends, -torch.inf).topk(self.k)
        beginning, piece = beginning.gather(1, going.indices), piece.gather(1, going.indices)
        self.total = going.values
        kept = self.pieces.gather(1, beginning[..., None].expand(-1, -1, u))
        self.pieces = torch.cat([kept, piece[..., None]], 2)
        within_reach = self.total[:, 0] / self.limit**self.penalty  # p ≤ 1, and no translation is longer
        alive = (self.ended < self.k) & (within_reach > self.best)
        self._go_on(alive.nonzero()[:, 0], beginning)

    def _end(self, totals: Tensor, beginning: Tensor) -> None:
        """Note the best of the continuations that end, (b, k) of beginnings (b, 2k), −inf where one goes on."""
        n = self.pieces.shape[2]
        self.ended = self.ended + (totals > -torch.inf).sum(1)
        found = (totals / (n + 1) ** self.penalty).max(1)
        better = (found.values > self.best).nonzero()[:, 0]
        self.best[better] = found.values[better]
        chosen = beginning[better, found.indices[better]]
        self.texts[self.rows[better], :n] = self.pieces[better, chosen]
        self.lengths[self.rows[better]] = n

    def _go_on(self, kept: Tensor, beginning: Tensor) -> None:
        """With these of the sentences, each of whose beginnings goes on from `beginning` (b, k)."""
        if len(kept) < len(self.rows):
            names = ("rows", "limit", "pieces", "total", "best", "ended", "mask")
            for name in names:
                setattr(self, name, getattr(self, name)[kept])
            self.source = [(keys[kept], values[kept]) for keys, values in self.source]
        wide = (kept[:, None] * self.k + beginning[kept]).flatten()
        self.before = [(keys[wide], values[wide]) for keys, values in self.before]
