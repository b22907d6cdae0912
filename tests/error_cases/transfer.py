"""A learning rate that transfers: rules that there are not."""

import numpy as np

import tensornet as tn

FMT = tn.LowRank(4, 6, 2)

CASES = {
    "rule": (
        lambda: tn.step_scales(FMT, [np.ones(s) for s in FMT.shapes], rule="adam"),
        r"step_scales: unknown rule 'adam' of steps, needed one of sign, gradient, .*take 'sign' for Adam",
    ),
}
