"""Weights and errors that the oracle tests share."""

import numpy as np


def decaying(rng, shape, power=1.0):
    """Random (rows, cols) with singular values 1, 2^-power, 3^-power …: what truncation is for."""
    u, _, vh = np.linalg.svd(rng.normal(size=shape), full_matrices=False)
    return (u * np.arange(1, u.shape[1] + 1) ** -power) @ vh


def relative(got, want):
    """‖got − want‖/‖want‖."""
    return np.linalg.norm(np.asarray(got) - want) / np.linalg.norm(want)
