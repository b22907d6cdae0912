"""What a run says of itself: its records, figures, model card and progress. No framework is loaded."""

from ._card import card as card
from ._figures import figures as figures
from ._metrics import Metrics as Metrics
from ._metrics import read as read
from ._metrics import series as series
from ._progress import Progress as Progress
from ._tensorboard import TensorBoard as TensorBoard
from ._tracker import Tracker as Tracker
from ._tracking import check_trackers as check_trackers
from ._tracking import trackers as trackers
from ._versions import versions as versions
from ._wandb import WandB as WandB
