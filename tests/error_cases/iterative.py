"""Formats whose factors are searched for, the search, and their modes."""

import jax
import numpy as np

import tensornet as tn


class Tree(tn.LowRank):
    """One that says no more than its graph."""

    _fill = tn.Format._fill


W = np.ones((4, 6))
CP = tn.CP((2, 2), (6,), 2)
NETWORK = CP.network

CASES = {
    # the search
    "fit of another shape": (lambda: tn.fit(CP, W.T), r"CP: got a weight of shape \(6, 4\), needed \(…, 4, 6\)"),
    "fit of a network to another shape": (
        lambda: tn.fit(NETWORK, W.T),
        r"fit: got a weight of shape \(6, 4\), needed \(…, 4, 6\), the matrix that the network contracts to; reshape",
    ),
    "no restarts": (lambda: tn.fit(CP, W, restarts=0), "restarts=0, needed an integer of at least 1, because without"),
    "half a sweep": (lambda: tn.fit(CP, W, sweeps=0.5), "sweeps=0.5, needed an integer of at least 1"),
    "a start of another shape": (
        lambda: tn.fit(CP, np.stack([W, W]), factors=CP.decompose(W)),
        r"factors of shapes \[\(2, 2\), \(2, 2\), \(6, 2\)\] to start from, needed \[\(2, 2, 2\), \(2, 2, 2\), \(2, 6, 2\)\]",
    ),
    "fit in jit": (
        lambda: jax.jit(lambda w: tn.fit(CP, w).factors)(jax.numpy.asarray(W)),
        "fit: got a traced weight, .* call it outside jit and vmap",
    ),
    "decompose in jit": (
        lambda: jax.jit(lambda w: CP.decompose(w, check_finite=False))(jax.numpy.asarray(W)),
        "fit: got a traced weight",
    ),
    "gauge of a search": (
        lambda: CP.decompose(W, gauge="left"),
        "CP: gauge 'left', needed 'balanced', because the factors are found by search",
    ),
    "identity gauge of a cut tree": (
        lambda: Tree(4, 6, 2).decompose(W, gauge="identity"),
        r"Tree: the identity gauge needs full bonds \{'d': 4\}, this format has less, into which not every matrix fits; take",
    ),
    "regauge of a search": (lambda: CP.regauge(CP.decompose(W), "identity"), "CP: gauge 'identity', needed 'balanced'"),
    # CP
    "CP rank": (lambda: tn.CP((2, 2), (6,), 5), r"CP: rank 5 of modes \(2, 2, 6\), needed an integer in 1…4"),
    "CP gauge": (
        lambda: tn.CP((2, 2), (6,)).decompose(W, gauge="left"),
        "CP: gauge 'left', needed 'balanced' or 'identity', because the columns",
    ),
    # Tucker and rings
    "Tucker rank of 0": (
        lambda: tn.Tucker((4,), (6,), (0, 2)),
        r"Tucker: ranks \(0, 2\) of modes \(4, 6\), needed one for each",
    ),
    "Tucker ranks": (
        lambda: tn.Tucker((4,), (6,), (2, 3)),
        r"Tucker: ranks \(2, 3\) of modes \(4, 6\), needed one for each",
    ),
    "Tucker ranks too few": (
        lambda: tn.Tucker((4,), (6,), (2,)),
        r"Tucker: ranks \(2,\) of modes \(4, 6\), needed one",
    ),
    "one factor": (
        lambda: tn.TensorRing((4,), (6,)),
        "TensorRing: .* two factors at least, because .* one alone is no ring",
    ),
    "ring of unlike modes": (lambda: tn.TensorRing((2, 2), (6,)), "needed as many rows as cols"),
    "ring without bonds": (
        lambda: tn.TensorRing((2, 3), (3, 2), 4),
        "ring=4 without bonds, needed one of 1, 2, 3, 6, because",
    ),
    "ring that does not bridge": (
        lambda: tn.TensorRing((2, 2), (1, 1), 5, (2,)),
        "TensorRing: bonds 5 and 2 at factor 0 differ by more than its 2 entries can bridge, .* at most 4",
    ),
    "ring gauge": (
        lambda: tn.TensorRing((2, 2), (3, 2)).decompose(W, gauge="left"),
        "TensorRing: gauge 'left', needed 'balanced' or 'identity', because no factor of a ring",
    ),
    # modes
    "no rows": (lambda: tn.CP((), (6,)), r"CP: rows=\(\), needed one mode at least"),
    "shape of a vector": (lambda: tn.CP.for_shape((4,)), r"CP.for_shape: shape \(4,\), needed \(out, in\) or"),
    "no modes": (lambda: tn.CP.for_shape((4, 6), modes=0), "CP.for_shape: modes=0, needed an integer of at least 1"),
}
