"""What calls cost, and which way round is cheaper."""

from ._applicable import Applicable as Applicable
from ._apply import Applied as Applied
from ._apply import apply as apply
from ._apply import explain as explain
from ._apply import prepare as prepare
from ._choice import Candidate as Candidate
from ._choice import Choice as Choice
from ._choice import choose as choose
from ._cost import Cost as Cost
from ._cost import cost as cost
from ._cost import preparation as preparation
from ._machine import Machine as Machine
