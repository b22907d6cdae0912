"""Data for distillation: a `TaskSpec` says which files, `load` reads them, `scores` judges predictions."""

from ._load import load as load
from ._scores import scores as scores
from ._scores import signature as signature
from ._spec import TaskSpec as TaskSpec
from ._task import Examples as Examples
from ._task import Task as Task
