"""`opdf demo`: distil a real student, over-parameterised, on scikit-learn's handwritten digits."""

from ._results import Results as Results
from ._run import Settings as Settings
from ._run import run as run
from ._table import remarks as remarks
from ._table import table as table
