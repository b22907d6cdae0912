"""`networks`, in JAX: BERT and the residual network. JAX and Flax are loaded with this module, PyTorch is not."""

from ._jax_files import load as load
from ._jax_files import make_teacher as make_teacher
from ._jax_files import save as save
from ._jax_latency import latency as latency
from ._jax_network import Model as Model
from ._jax_network import Network as Network
from ._jax_network import answer as answer
from ._jax_student import make_student as make_student
