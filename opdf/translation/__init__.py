"""Small encoder–decoder Transformers that translate: `load` a folder that a run exported, and `translate` with it."""

from ._translator import Translator as Translator
from ._translator import load as load
