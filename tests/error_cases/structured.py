"""The structured formats, padding, lookup and sizes."""

import jax
import jax.numpy as jnp
import numpy as np

import tensornet as tn

TABLE = tn.MPO((2, 3), (2, 2), (2,))
ROWS = TABLE.sample(np.ones)

CASES = {
    "left of nothing, padded": (
        lambda: tn.Kronecker.for_shape((10, 10), left=(0, 2), pad=True),
        r"Kronecker.for_shape: left=\(0, 2\), needed 2 positive integers, because each is the size of an index; pass",
    ),
    "no modes, padded": (
        lambda: tn.CP.for_shape((7, 5), modes=0, pad=True),
        r"CP.for_shape: modes=0, needed an integer of at least 1",
    ),
    "a size that is no integer": (
        lambda: tn.Padded(tn.LowRank(4, 6), (3.5, 5)),
        r"Padded: size \(3.5, 5\) in a format of \(4, 6\), needed positive sizes \(out, in\) that are not larger",
    ),
    "swapped in norm": (lambda: tn.norm(ROWS, TABLE), "norm: got a tuple where a Format is needed, .* swap the two"),
    "swapped in distance": (lambda: tn.distance(TABLE, TABLE, ROWS, ROWS), "distance: got a tuple where a Format"),
    "swapped in truncate": (lambda: tn.truncate(ROWS, TABLE, max_bond=1), "truncate: got a tuple where a Format"),
    "factors alone": (lambda: tn.save("x", {"a": ROWS}), r"save: 'a' is a tuple, needed a pair \(format, factors\)"),
    "swapped in save": (lambda: tn.save("x", {"a": (ROWS, TABLE)}), "save: 'a' is a tuple, needed a pair"),
    "x of integers": (
        lambda: TABLE.apply(ROWS, np.arange(4)),
        "apply: x is int64, needed an array of floats, .* convert",
    ),
    "x a list": (lambda: TABLE.apply(ROWS, [1.0] * 4), "apply: x is list, needed an array of floats"),
    "scale without end": (
        lambda: tn.MPO.for_shape((12, 10), scale=float("inf")),
        "scale=inf, needed a positive number",
    ),
    "negative budget": (
        lambda: tn.LowRank.for_shape((12, 10), num_params=-1),
        "num_params=-1, needed a positive number",
    ),
    "a low rank of nothing": (
        lambda: tn.LowRank(-1, 4),
        r"LowRank: \(out, in_\)=\(-1, 4\), needed 2 positive integers",
    ),
    "a truth for a rank": (lambda: tn.LowRank(12, 10, True), "rank True of a 12 × 10 matrix, needed an integer"),
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
    "no kernel": (
        lambda: tn.ConvMPO((2, 3), (2, 2), ()),
        r"rows \(2, 3\), cols \(2, 2\), kernel \(\), needed as many rows as cols, .*; fill up with ones, or take an MPO",
    ),
    "rows without cols": (lambda: tn.ConvMPO((2, 3), (4,), (3,)), "needed as many rows as cols, at least 1, because"),
    "bonds of a kernel": (
        lambda: tn.ConvMPO((2, 3), (2, 2), (3,), (4, 4)),
        r"ConvMPO: bonds \(4, 4\), needed 2 of at most \(3, 6\)",
    ),
    "a matrix for a kernel": (
        lambda: tn.ConvMPO.for_shape((4, 6)),
        r"shape \(4, 6\), needed \(out, in, \*kernel\), .*; pass all of them, or take a format of matrices",
    ),
    "a kernel for a matrix": (lambda: tn.MPO.for_shape((4, 6, 3)), r"shape \(4, 6, 3\), needed \(rows, cols\), two"),
    # sizes
    "two sizes": (
        lambda: tn.LowRank.for_shape((4, 6), rank=2, scale=0.5),
        r"got \{'rank': 2, 'scale': 0.5\}, needed one of rank, num_params and scale at most, .*; drop the others",
    ),
    "rank 0": (
        lambda: tn.Kronecker.for_shape((4, 6), rank=0),
        "rank=0, needed an integer of at least 1, .*; pass one, or None for the full rank",
    ),
    "rank 1.5": (lambda: tn.MPO.for_shape((4, 6), rank=1.5), "rank=1.5, needed an integer of at least 1"),
    "budget too small": (
        lambda: tn.MPO.for_shape((4, 6), cores=2, num_params=9),
        r"\{'num_params': 9\} allows 9 parameters, needed at least the 10 of rank 1 \(0.42 of the dense ones\); raise",
    ),
    "scale too small": (
        lambda: tn.Monarch.for_shape((4, 6), scale=0.1),
        r"Monarch.for_shape: \{'scale': 0.1\} allows 2 parameters, needed at least the 20 of rank 1",
    ),
    "NaN parameters": (
        lambda: tn.LowRank.for_shape((4, 6), scale=float("nan")),
        "scale=nan, needed a positive number, because it is a budget",
    ),
    "unknown layout": (
        lambda: tn.MPO.for_shape((4, 6), layout="odd"),
        "unknown layout 'odd'; there are outer, even; choose one, or give rows and cols yourself",
    ),
    "prime channels": (
        lambda: tn.ConvMPO.for_shape((5, 4, 3)),
        "ConvMPO.for_shape: the matrix has 5 rows, which does not split .* pad=True to round up to 6",
    ),
    # padding
    "padding that cuts nothing": (
        lambda: tn.formats.Padded(TABLE, (7, 4)),
        r"size \(7, 4\) in a format of \(6, 4\), needed positive sizes \(out, in\) that are not larger, .*; make the inner",
    ),
    "padding of another kernel": (
        lambda: tn.formats.Padded(tn.ConvMPO((2,), (2,), (3,)), (2, 2, 2)),
        r"size \(2, 2, 2\) in a format of \(2, 2, 3\), needed .* the same kernel",
    ),
    "no inner format": (lambda: tn.formats.Padded.for_shape((7, 5), inner="none"), "there is no format 'none'"),
    # rows of a table
    "ids outside": (
        lambda: TABLE.lookup(ROWS, np.asarray([0, 6])),
        "MPO.lookup: got ids from 0 to 6, needed 0…5, because the table has 6 rows; map unknown ids to a row that exists",
    ),
    "negative ids": (lambda: TABLE.lookup(ROWS, np.asarray([-1])), "got ids from -1 to -1, needed 0…5"),
    "ids in the padding": (
        lambda: tn.formats.Padded(TABLE, (5, 4)).lookup(ROWS, np.asarray(5)),
        "Padded.lookup: got ids from 5 to 5, needed 0…4",
    ),
    "traced ids": (
        lambda: jax.jit(TABLE.lookup)([jnp.asarray(f) for f in ROWS], jnp.asarray([0])),
        "got traced ids, .* call it outside jit, or pass check=False and see to it yourself that they are in 0…5",
    ),
    "ids of many tables": (
        lambda: TABLE.lookup([np.stack([f, f]) for f in ROWS], np.asarray([0])),
        "MPO.lookup: the factors have leading batch axes, needed those of one table, .*; look them up one by one",
    ),
}
