"""Tensor networks of neural-network weights, over the Python array API: arrays in, arrays out."""

from . import files as files
from . import formats as formats
from . import testing as testing
from ._distance import distance as distance
from ._errors import TensorNetError as TensorNetError
from ._format import Format as Format
from ._gauge import Mixed as Mixed
from ._network import Network as Network
from ._norm import norm as norm
from ._path import Path as Path
from .alignment import Alignment as Alignment
from .alignment import align as align
from .cost import Cost as Cost
from .cost import Machine as Machine
from .files import load as load
from .files import save as save
from .fitting import Fit as Fit
from .fitting import fit as fit
from .formats import CP as CP
from .formats import MPO as MPO
from .formats import Kronecker as Kronecker
from .formats import LowRank as LowRank
from .planning import Plan as Plan
from .planning import importance as importance
from .planning import plan as plan
from .planning import top as top
