"""Plans: which weight of a model takes which format, decided before any array exists."""

from ._importance import importance as importance
from ._importance import top as top
from ._layers import layer_map as layer_map
from ._layers import layers_taken as layers_taken
from ._pairs import pair_names as pair_names
from ._plan import Plan as Plan
from ._plan import plan as plan
from ._rules import Rules as Rules
from ._widths import joint_formats as joint_formats
from ._widths import teacher_format as teacher_format
