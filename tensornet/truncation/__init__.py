"""Truncation with a certificate: smaller bonds, and how far the result is from the original."""

from ._result import Truncation as Truncation
from ._spectra import entropy as entropy
from ._spectra import spectra as spectra
from ._suggest import Suggestion as Suggestion
from ._suggest import suggest as suggest
from ._truncate import approximate as approximate
from ._truncate import truncate as truncate
