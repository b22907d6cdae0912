"""tensornet for PyTorch: the model stays dense, the factors live beside the optimiser; or they take its weights' places."""

from tensornet import Alignment as Alignment

from ._generate import generate as generate
from ._generate import generators as generators
from ._learning_rate import suggest_lr as suggest_lr
from ._optimizer import Overparameterized as Overparameterized
from ._overparameterize import overparameterize as overparameterize
from ._plan import plan as plan
from ._run import from_run as from_run
from ._run import to_run as to_run
from .inference import Factorized as Factorized
from .inference import FactorizedConv2d as FactorizedConv2d
from .inference import FactorizedEmbedding as FactorizedEmbedding
from .inference import FactorizedLinear as FactorizedLinear
from .inference import Receipt as Receipt
from .inference import compress as compress
from .inference import dense as dense
from .inference import from_pretrained as from_pretrained
from .inference import receipt as receipt
from .inference import save_pretrained as save_pretrained
