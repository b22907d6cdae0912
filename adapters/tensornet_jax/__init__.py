"""tensornet for JAX: an optax.GradientTransformation whose state holds the factors."""

from tensornet import Alignment as Alignment

from ._plan import plan as plan
from ._state import OverparameterizedState as OverparameterizedState
from ._state import materialize as materialize
from ._transformation import overparameterize as overparameterize
