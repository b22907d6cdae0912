"""Layer maps, pairs by expression, formats of two widths."""

import numpy as np

import tensornet as tn
from tensornet.planning import joint_formats, layer_map, layers_taken, pair_names, teacher_format

NAMES = ["a.0.w", "a.1.w"]
MPO = tn.MPO((4, 3, 4), (4, 3, 4))
OURS, THEIRS = joint_formats((12, 12), (16, 16), cores=3)
FACTORS = OURS.decompose(np.ones((12, 12)))

CASES = {
    # layers
    "no layers": (
        lambda: layer_map(0, 4),
        "layer_map: 0 layers of the student and 4 .*, needed two integers of at least 1",
    ),
    "layers of another kind": (lambda: layer_map(2, 4.0), "2 layers of the student and 4.0 of the teacher, needed two"),
    "unknown map": (
        lambda: layer_map(2, 4, "middle"),
        "'middle' is of no known kind; needed 'uniform', 'skip', 'last'",
    ),
    "map of another kind": (lambda: layer_map(2, 4, [1, 3]), r"\[1, 3\] is of no known kind; needed 'uniform'"),
    "teacher too shallow": (
        lambda: layer_map(4, 3, "last"),
        "4 student layers and 3 of the teacher's, needed as many at least for 'last', .*; say by a dict or a function",
    ),
    "no such teacher layer": (
        lambda: layer_map(2, 4, {0: 4}),
        r"the student's layers \[\] and the teacher's \[4\] do not exist, needed 0 to 1 and 0 to 3, .*; correct the map",
    ),
    "no such student layer": (
        lambda: layer_map(2, 4, {2: 0}),
        r"the student's layers \[2\] and the teacher's \[\] do not",
    ),
    "a layer of another kind": (lambda: layer_map(2, 4, str), r"the teacher's \['0', '1'\] do not exist"),
    "a stack in part": (
        lambda: layers_taken(2, 4, {1: 3}),
        r"Alignment: pairs leave out \[0\] of 2 stacked layers, needed .*; map them all",
    ),
    "a dict of layers, two numbers": (
        lambda: pair_names(["0.0", "1.1"], ["0.0", "1.1"], {0: 1}),
        r"2 of the numbers in 0.0 may be the layer, .* because \{0: 1\} maps layers; pass pairs as a dict of names",
    ),
    # expressions
    "two expressions": (
        lambda: pair_names(NAMES, NAMES, {r"a\.(\d)\.w": r"a.\1.w", "a.0.w": "a.1.w"}),
        r"Alignment: a.0.w is paired by .* and by 'a.0.w'; needed one, .*; make one expression narrower",
    ),
    "no such group": (
        lambda: pair_names(NAMES, NAMES, {r"a\..*": r"b.\1"}),
        r"Alignment: 'b.\\\\1' cannot be expanded from .*; needed .* for its groups, .*; correct it",
    ),
    "no expression": (
        lambda: pair_names(NAMES, NAMES, {"a[": "b"}),
        r"'a\[' is no planned weight .*, nor an expression",
    ),
    # widths
    "two factors for two widths": (
        lambda: joint_formats((12, 12), (16, 16), cores=2),
        "joint_formats: cores=2, needed an integer of at least 3, .*; pass cores=3 or more",
    ),
    "no common divisor": (
        lambda: joint_formats((7, 9), (11, 4)),
        r"joint_formats: \(7, 9\) and \(11, 4\) have the common divisors \[1, 1\] .*; leave this pair out",
    ),
    "another format than an MPO": (
        lambda: teacher_format(tn.LowRank(12, 12), (16, 16)),
        r"teacher_format: got LowRank.* and a teacher of shape \(16, 16\), needed an MPO .*; choose an MPO",
    ),
    "no central factor": (
        lambda: teacher_format(MPO, (40, 48)),
        r"a teacher of shape \(40, 48\) has no MPO with the auxiliary .*; plan the student's with .*joint_formats",
    ),
    "factors of two widths": (
        lambda: tn.align(OURS, FACTORS, FACTORS, teacher_format=tn.MPO((4, 2, 2), (2, 4, 2))),
        r"align: the auxiliary factors are \[.*\] and the teacher's \[.*\], needed the same, .*; take both formats from",
    ),
}
