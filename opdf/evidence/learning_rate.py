"""Whether one learning rate serves all formats: accuracy over the learning rate of a residual network on Fashion-MNIST, dense
and through 2, 3, 5 and 10 factors, with and without lr_transfer.

    python -m opdf.evidence.learning_rate --folder PATH

AdamW, the rate falling to zero along a line, accuracy on a split of train. What is in the JSON file is not run again.
"""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import tyro
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

import tensornet_torch as tnt
from tensornet import TensorNetError

from ..models._image import Architecture
from ..models._residual import Residual
from ..statistics import paired, spread
from ..tasks import TaskSpec, load

COLOURS = {0: "#000000", 2: "#56b4e9", 3: "#009e73", 5: "#0072b2", 10: "#d55e00"}


@dataclass(frozen=True)
class Settings:
    """One experiment; a JSON file is of one."""

    folder: Annotated[Path, tyro.conf.arg(help="The four IDX files of Fashion-MNIST, also .gz.")]
    out: Path = Path("runs/learning_rate")
    """Where learning_rate.json and learning_rate.png go."""
    rates: tuple[float, ...] = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
    """Learning rates of AdamW."""
    factors: tuple[int, ...] = (2, 3, 5, 10)
    """Factors of each weight, as MPO.for_shape makes them."""
    seeds: int = 3
    """Runs of each; a seed sets the start and the order of the images."""
    train_size: int = 10_000
    """Images to train on."""
    dev_size: int = 5_000
    """Images, taken from train too, to measure accuracy on."""
    epochs: int = 4
    batch: int = 128
    width: int = 128
    """Units of the network and inside its blocks."""
    depth: int = 3
    """Blocks, of two weights each."""

    @property
    def known(self) -> dict[str, Any]:
        """What all runs of a file must have alike."""
        varied = ("folder", "out", "rates", "factors", "seeds")
        return {key: value for key, value in asdict(self).items() if key not in varied}


@dataclass(frozen=True, order=True)
class Run:
    """factors  of each weight; 0 for dense training"""

    factors: int
    lr_transfer: bool
    rate: float
    seed: int


Data = tuple[Tensor, Tensor, Tensor, Tensor]  # images and labels to train on, images and labels to judge by


def runs(s: Settings) -> Iterator[Run]:
    """Seed by seed, so that what is stopped early has something of everything."""
    for seed in range(s.seeds):
        for rate in s.rates:
            yield Run(0, False, rate, seed)
            yield from (Run(n, transfer, rate, seed) for n in s.factors for transfer in (False, True))


def data(s: Settings) -> Data:
    task = load(TaskSpec("fashion_mnist", s.folder, train_size=s.train_size, dev_size=s.dev_size))
    x, y, dev_x, dev_y = (
        torch.as_tensor(np.asarray(a)) for part in (task.train, task.dev) for a in (part.fields["pixels"], part.labels)
    )
    return x, y, dev_x, dev_y


def accuracy(s: Settings, run: Run, data: Data) -> float:
    """In percent, after training."""
    x, y, dev_x, dev_y = data
    torch.manual_seed(run.seed)
    model = Residual(Architecture("residual", (x.shape[1], x.shape[2]), int(y.max()) + 1, s.depth, s.width, s.width))
    optimizer: torch.optim.Optimizer = torch.optim.AdamW(model.parameters(), lr=run.rate)
    if run.factors:
        plan = tnt.plan(model, "all-linear", cores=run.factors)
        optimizer = tnt.overparameterize(optimizer, model, plan, lr_transfer=run.lr_transfer)
    steps = s.epochs * (len(y) // s.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    order = torch.Generator().manual_seed(run.seed)
    for _ in range(s.epochs):
        for chosen in torch.randperm(len(y), generator=order)[: len(y) // s.batch * s.batch].split(s.batch):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[chosen]), y[chosen]).backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        return 100 * (model(dev_x).argmax(1) == dev_y).double().mean().item()


def measured(s: Settings, console: Console) -> dict[Run, float]:
    """Accuracy of every run, from the file or by running it."""
    path, found = s.out / "learning_rate.json", {}
    if path.exists():
        held = json.loads(path.read_text())
        if held["settings"] != s.known:
            raise TensorNetError(
                f"learning_rate: {path} holds runs of {held['settings']}, this is {s.known}; needed the same, because they are "
                f"compared; take another --out, or delete the file"
            )
        found = {Run(**{k: r[k] for k in Run.__annotations__}): r["accuracy"] for r in held["runs"]}
    wanted, images = list(runs(s)), None
    s.out.mkdir(parents=True, exist_ok=True)
    for number, run in enumerate(wanted, start=1):
        if run not in found:
            images, begun = images or data(s), time.perf_counter()
            found[run] = round(accuracy(s, run, images), 3)
            console.print(f"{number}/{len(wanted)} {run} {found[run]:.2f} % in {time.perf_counter() - begun:.0f} s")
            rows = [asdict(run) | {"accuracy": value} for run, value in sorted(found.items())]
            lines = ",\n".join(json.dumps(row) for row in rows)
            path.write_text(f'{{"settings": {json.dumps(s.known)}, "runs": [\n{lines}\n]}}\n')
    return {run: found[run] for run in wanted}


# ---- what it says ---------------------------------------------------------------------------------------------------


def arms(s: Settings) -> Iterator[tuple[str, int, bool]]:
    yield "dense", 0, False
    for transfer in (False, True):
        yield from ((f"{n} factors{', lr_transfer' * transfer}", n, transfer) for n in s.factors)


def values(s: Settings, found: Mapping[Run, float], factors: int, transfer: bool, rate: float) -> list[float]:
    return [found[Run(factors, transfer, rate, seed)] for seed in range(s.seeds)]


def table(s: Settings, found: Mapping[Run, float]) -> Table:
    """Mean accuracies, and how far from dense they are: the mean over rates of the absolute difference of means."""
    made = Table("accuracy in %", *(f"{rate:.0e}" for rate in s.rates), "from dense")
    dense = [spread(values(s, found, 0, False, rate))[0] for rate in s.rates]
    for title, factors, transfer in arms(s):
        cells, means = [], []
        for rate in s.rates:
            ours = values(s, found, factors, transfer, rate)
            means.append(spread(ours)[0])
            apart = factors and paired(ours, values(s, found, 0, False, rate)).p < 0.05
            cells.append(f"{means[-1]:.1f}{'*' if apart else ''} ± {spread(ours)[1]:.1f}")
        made.add_row(title, *cells, f"{np.mean(np.abs(np.subtract(means, dense))):.2f}" if factors else "")
    return made


def draw(s: Settings, found: Mapping[Run, float]) -> None:
    figure = Figure(figsize=(10, 4), layout="constrained")
    FigureCanvasAgg(figure)
    panels: tuple[Axes, Axes] = tuple(figure.subplots(1, 2, sharey=True))
    titles = ("plain steps of the factors", "lr_transfer=True")
    for axes, transfer, title in zip(panels, (False, True), titles, strict=True):
        for factors in (0, *s.factors):
            each = [values(s, found, factors, transfer and factors > 0, rate) for rate in s.rates]
            mean, deviation = np.transpose([spread(v) for v in each])
            label = f"{factors} factors" if factors else "dense"
            axes.errorbar(s.rates, mean, deviation, color=COLOURS.get(factors), label=label, capsize=2, linewidth=1.6)
        axes.set(xscale="log", title=title, xlabel="learning rate of AdamW")
        axes.spines[["top", "right"]].set_visible(False)
    dense = [spread(values(s, found, 0, False, rate))[0] for rate in s.rates]
    panels[0].set_ylim(min(dense) - 4, max(dense) + 2)
    panels[0].set_ylabel(f"accuracy in %, mean ± std of {s.seeds} seeds")
    panels[0].legend(frameon=False, fontsize=8)
    figure.savefig(s.out / "learning_rate.png", dpi=110)


def main(s: Settings) -> None:
    torch.set_num_threads(1)
    console = Console(width=150)
    found = measured(s, console)
    draw(s, found)
    console.print(table(s, found))


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main(tyro.cli(Settings, description=__doc__))
