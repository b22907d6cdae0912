"""Distances."""

import numpy as np

import tensornet as tn

FMT = tn.LowRank(4, 6)
FACTORS = FMT.decompose(np.ones((4, 6)))
STACK = FMT.decompose(np.ones((2, 4, 6)))
TURNED = tn.LowRank(6, 4)

CASES = {
    "other weight": (
        lambda: tn.distance(FMT, FACTORS, TURNED, TURNED.decompose(np.ones((6, 4)))),
        r"A is of shape \(4, 6\) and B of \(6, 4\), needed two weights of one shape",
    ),
    "other stack": (
        lambda: tn.distance(FMT, STACK, FMT, FACTORS),
        r"A has the leading batch axes \(2,\) and B has \(\), needed the same",
    ),
}
