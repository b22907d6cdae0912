"""Factors kept at inference: a pytree with factorised weights, and back."""

from ._compress import compress as compress
from ._compress import dense as dense
from ._factorized import Factorized as Factorized
from ._receipt import receipt as receipt
from ._saved import from_pretrained as from_pretrained
from ._saved import save_pretrained as save_pretrained
