"""What calls cost, and which way round is cheaper."""

from ._cost import Cost as Cost
from ._cost import cost as cost
from ._cost import preparation as preparation
