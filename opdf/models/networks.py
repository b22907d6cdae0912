"""Teachers and students: made, loaded, saved and asked. PyTorch and Transformers are loaded with this module."""

from ._latency import latency as latency
from ._load import load as load
from ._load import make_teacher as make_teacher
from ._outputs import answer as answer
from ._outputs import embed as embed
from ._outputs import layers as layers
from ._outputs import outputs as outputs
from ._outputs import run_layer as run_layer
from ._outputs import word_embeddings as word_embeddings
from ._save import save as save
from ._start import layer_pairs as layer_pairs
from ._student import make_student as make_student
