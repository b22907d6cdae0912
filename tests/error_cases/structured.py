"""The structured formats, padding, lookup and sizes."""

import tensornet as tn

CASES = {
    # formats
    "shape of one": (
        lambda: tn.Kronecker((2,), (3, 2)),
        r"Kronecker: left=\(2,\), needed 2 positive integers, because",
    ),
    "terms": (
        lambda: tn.Kronecker((2, 3), (3, 2), 7),
        r"terms=7, needed an integer in 1…6, because so many products of \(2, 3\) and \(3, 2\) make every matrix; choose",
    ),
    "left does not divide": (
        lambda: tn.Kronecker.for_shape((7, 6), left=(2, 3)),
        r"left=\(2, 3\), needed divisors of \(7, 6\), because .*; choose divisors, or pass pad=True",
    ),
    "block rank": (
        lambda: tn.BlockTensorTrain((4, 2), (2, 3), 4),
        "rank=4, needed an integer in 1…3, because the blocks are 4 × 3; choose one in that range, or larger blocks",
    ),
    "Monarch of a larger rank": (
        lambda: tn.Monarch((4, 2), (2, 3)).resized({"d": 2}),
        r"Monarch.resized: \{'d': 2\}, needed size 1, because .*; take a BlockTensorTrain",
    ),
}
