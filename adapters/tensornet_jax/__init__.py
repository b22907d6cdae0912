"""tensornet for JAX: an optax.GradientTransformation whose state holds the factors; or they take the weights' places."""

from tensornet import Alignment as Alignment

from ._generate import GeneratorState as GeneratorState
from ._generate import generate as generate
from ._generate import generators as generators
from ._plan import plan as plan
from ._run import from_run as from_run
from ._run import to_run as to_run
from ._sharding import shardings as shardings
from ._state import OverparameterizedState as OverparameterizedState
from ._state import materialize as materialize
from ._transformation import overparameterize as overparameterize
from .inference import Factorized as Factorized
from .inference import compress as compress
from .inference import dense as dense
from .inference import from_pretrained as from_pretrained
from .inference import receipt as receipt
from .inference import save_pretrained as save_pretrained
