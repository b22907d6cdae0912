"""Factors and their formats in one safetensors file, which every framework reads."""

from ._load import load as load
from ._load import metadata as metadata
from ._run import Run as Run
from ._save import save as save
