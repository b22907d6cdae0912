"""Factors kept at inference: a model with factorised weights, and back."""

from tensornet._receipt import Receipt as Receipt

from ._compress import compress as compress
from ._compress import dense as dense
from ._conv import FactorizedConv2d as FactorizedConv2d
from ._embedding import FactorizedEmbedding as FactorizedEmbedding
from ._factorized import Factorized as Factorized
from ._linear import FactorizedLinear as FactorizedLinear
from ._receipt import receipt as receipt
from ._saved import from_pretrained as from_pretrained
from ._saved import save_pretrained as save_pretrained
