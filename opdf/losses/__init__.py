"""Distillation losses, over the array API: the same code under PyTorch, JAX (jit, grad, vmap) and NumPy.

Two shapes that differ are refused, never broadcast. 16-bit floats are computed in float32. What only values can tell (a class
out of range, a mask that keeps nothing) is refused where looking costs nothing, on the CPU and outside jit; elsewhere it
makes the loss NaN. Nothing is detached: give the teacher's side as a constant (`torch.no_grad`, `jax.lax.stop_gradient`).
"""

from ._attention import attention as attention
from ._dkd import dkd as dkd
from ._hidden import hidden as hidden
from ._hidden import hint as hint
from ._logits import cross_entropy as cross_entropy
from ._logits import hinton as hinton
from ._logits import log_softmax as log_softmax
from ._logits import regression as regression
from ._projection import fitted_projection as fitted_projection
from ._schedule import Schedule as Schedule
