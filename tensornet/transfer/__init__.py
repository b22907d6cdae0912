"""A learning rate that transfers: steps of the factors by which W moves as far as by a dense step at the same rate."""

from ._bound import TRIES as TRIES
from ._bound import Share as Share
from ._bound import capped as capped
from ._bound import lengths as lengths
from ._bound import reach as reach
from ._bound import share as share
from ._bound import slopes as slopes
from ._bound import tried as tried
from ._scales import RULES as RULES
from ._scales import check_rule as check_rule
from ._scales import lent as lent
from ._scales import moved as moved
from ._scales import step_scales as step_scales
