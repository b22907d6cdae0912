"""Alignment: the distance between a student's factors and its teacher's, as a loss."""

from ._align import GAUGES as GAUGES
from ._align import align as align
from ._align import distance_and_gradient as distance_and_gradient
from ._align import distance_to as distance_to
from ._align import prepared as prepared
from ._align import target as target
from ._invariant import Reduced as Reduced
from ._options import Alignment as Alignment
from ._options import checked_options as checked_options
from ._procrustes import rotated as rotated
