"""`opdf bench`: what a decomposition costs, as a ratio to one SVD in the same run."""

from ._decompose import Row as Row
from ._decompose import measure as measure
from ._table import table as table
