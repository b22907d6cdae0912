"""The figures of a run, drawn from what it wrote."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._metrics import read

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figures(folder: Path, summary: Mapping[str, Any]) -> list[Path]:
    """Write figures/training.png and, where factors or an alignment were looked at, figures/tensors.png; returns their paths.

    folder   of a run, with metrics.jsonl; without records nothing is drawn
    summary  gives the titles, the best step and the teacher's scores, as far as they are there
    """
    from ._tensor_figure import tensor_figure  # Matplotlib takes a second to load
    from ._training_figure import training_figure

    records = read(folder)
    drawn = {"training.png": training_figure(records, summary), "tensors.png": tensor_figure(records, summary)}
    return [_written(figure, folder / "figures" / name) for name, figure in drawn.items() if figure is not None]


def _written(figure: "Figure", path: Path) -> Path:
    from tensornet.files._replace import replacing  # and with it NumPy

    path.parent.mkdir(exist_ok=True)
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=150)
    return path
