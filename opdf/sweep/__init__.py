"""`opdf sweep`: arms × grid × seeds of a distillation, side by side, resumable, into one table and one figure."""

from ._pool import run_all as run_all
from ._read import read as read
from ._spec import Arm as Arm
from ._spec import Job as Job
from ._spec import Point as Point
from ._spec import Sweep as Sweep
from ._state import State as State
from ._state import look as look
