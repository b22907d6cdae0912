"""tensornet for PyTorch: the model stays dense, the factors live beside the optimiser."""

from tensornet import Alignment as Alignment

from ._optimizer import Overparameterized as Overparameterized
from ._optimizer import overparameterize as overparameterize
from ._plan import plan as plan
