"""BERT encoders in Flax NNX, from and to the folders of Hugging Face's `BertModel`."""

from ._config import Config as Config
from ._files import from_pretrained as from_pretrained
from ._files import save_pretrained as save_pretrained
from ._model import Encoder as Encoder
from ._model import shallower as shallower
from ._names import torch_name as torch_name
