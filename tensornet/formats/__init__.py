"""Tensor formats. To add one: one file here and one import line; elsewhere, the `register` decorator."""

from ._block_tensor_train import BlockTensorTrain as BlockTensorTrain
from ._conv_mpo import ConvMPO as ConvMPO
from ._cp import CP as CP
from ._kronecker import Kronecker as Kronecker
from ._low_rank import LowRank as LowRank
from ._monarch import Monarch as Monarch
from ._mpo import MPO as MPO
from ._padded import Padded as Padded
from ._registry import from_dict as from_dict
from ._registry import get as get
from ._registry import names as names
from ._registry import register as register
from ._sizing import sized as sized
from ._tensor_ring import TensorRing as TensorRing
from ._tucker import Tucker as Tucker
