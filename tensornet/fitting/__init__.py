"""Fitting any network to a matrix, where no formula gives the factors."""

from ._fit import Fit as Fit
from ._fit import fit as fit
from ._fit import searched as searched
from ._gauges import in_gauge as in_gauge
from ._scale import balanced as balanced
