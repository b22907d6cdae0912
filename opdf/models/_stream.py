"""Random numbers of students and of teachers are never the same ones."""

import numpy as np


def student_seed(seed: int) -> int:
    """What a student's random weights are drawn with.

    A teacher of the same seed draws its first layers in the same order: without a stream of its own the student would
    begin as a part of what its teacher began as, which training hardly turns.
    """
    return int(np.random.SeedSequence([seed, 1]).generate_state(1)[0])
