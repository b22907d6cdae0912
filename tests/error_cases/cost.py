"""Cost: limits that nothing keeps, stacks, constant factors."""

import numpy as np

import tensornet as tn

W = np.ones((4, 6))
FMT = tn.MPO((2, 2), (2, 3))
FACTORS = FMT.decompose(W)
HALF = FMT.prepare(FACTORS, batch=4, calls=2, constant=[0])

CASES = {
    "nothing fits": (
        lambda: FMT.apply(FACTORS, np.ones((5, 6)), memory=100),
        r"nothing fits memory=100 bytes at a batch of 5, needed \d+ for the least, .*, with what gradients keep; raise",
    ),
    "nothing fits without gradients": (
        lambda: FMT.explain(5, memory=100, gradients=False).chosen,
        r"needed \d+ for the least, \w+; raise the limit, split the batch$",
    ),
    "x without features": (lambda: FMT.apply(FACTORS, np.ones(())), "x has no features, the matrix has 6 columns"),
    "x by a stack": (
        lambda: FMT.apply(FMT.decompose(np.stack([W, W])), W),
        r"x has shape \(4, 6\), needed \(2,\) before its own axes, .* broadcast it to \(2, 4, 6\)",
    ),
    "no such factor": (
        lambda: FMT.prepare(FACTORS, batch=1, calls=1, constant=[2]),
        r"constant=\(2,\), needed at least one row and one call, and numbers of factors in 0…1, because",
    ),
    "no calls": (lambda: FMT.prepare(FACTORS, batch=1, calls=0), "calls=0, constant=.* needed at least one row"),
    "a constant factor too many": (
        lambda: HALF(W, *FACTORS),
        r"called with factors of shapes \[.*\], needed \[\(4, 2, 3, 1\)\], those of factors \[1\], which are not",
    ),
}
