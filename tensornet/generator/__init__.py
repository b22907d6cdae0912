"""Weight Distillation: a student's weights generated from groups of a teacher's (Lin et al., ACL 2021, arXiv 2009.09152)."""

from ._choice import generators as generators
from ._generated import Generated as Generated
from ._generator import Generator as Generator
from ._groups import Pairs as Pairs
from ._plan import Generation as Generation
from ._plan import Generators as Generators
from ._selection import selected as selected
