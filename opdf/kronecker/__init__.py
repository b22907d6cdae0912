"""KroneckerBERT: encoders whose embedding, attention and feed-forward weights are Kronecker products.

Tahaei et al., NAACL 2022, arXiv 2109.06243. `tensornet_torch.compress` makes the model from a plan of this package, starting
at the nearest Kronecker products, and `tensornet_torch.dense` turns it back.
"""

from ._cost import flops as flops
from ._cost import parameters as parameters
from ._published import published as published
from ._run import compressed as compressed
from ._run import exported as exported
from ._search import searched as searched
from ._student import gone_on as gone_on
from ._timing import Timing as Timing
from ._timing import timed as timed
