"""Distillation runs: a configuration in, a folder that explains itself out."""

from ._config import Config as Config
from ._config import Opdf as Opdf
from ._config import Training as Training
from ._run import distill as distill
from ._toml import parsed as parsed
from ._toml import read as read
