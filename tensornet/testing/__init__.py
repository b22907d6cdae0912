"""The laws that every tensor format keeps, for anybody's format."""

from ._gauge_invariance import assert_gauge_invariant as assert_gauge_invariant
from ._law import LawError as LawError
from ._laws import LAWS as LAWS
from ._laws import check_format as check_format
from ._laws import laws as laws
