"""`opdf distill CONFIG.toml`: every value of the file is a flag too."""

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import tyro
from rich.console import Console

from tensornet import TensorNetError

from ..report import Progress
from ._config import Config
from ._idle import idle
from ._run import distill
from ._toml import read


@dataclass(frozen=True)
class Command:
    """Distil a student as a configuration says, into a run folder that explains itself."""

    config: Annotated[Config, tyro.conf.arg(name="")]
    resume: bool = False
    """Go on in a folder that holds a run of this configuration already."""
    quiet: bool = False
    """No progress on standard error."""
    json: bool = False
    """Print summary.json instead of the lines of the model card."""


def command(args: Sequence[str]) -> None:
    """Run `opdf distill` with these arguments.

    raises: TensorNetError for what cannot be run; SystemExit(2) for flags that do not exist
    """
    asked = _parsed(args)
    written = shlex.join(["opdf", "distill", *args])
    for said in () if asked.quiet else idle(asked.config):
        Console(stderr=True, soft_wrap=True).print(f"opdf distill: {said}.", highlight=False, markup=False)
    try:
        with Progress(quiet=asked.quiet) as told:
            summary = distill(asked.config, resume=asked.resume, told=told, command=written)
    except KeyboardInterrupt:
        Console(stderr=True).print("Stopped; with --resume the same command goes on.", style="yellow")
        sys.exit(130)
    except OSError as error:
        raise TensorNetError(
            f"opdf distill: the system refuses to go on ({error}), needed room and permission in {asked.config.out}, because a "
            f"run lives in its folder; make room, then start again with --resume"
        ) from error
    console = Console(soft_wrap=True)
    if asked.json:
        console.print_json(json.dumps(summary))
        return
    best = ", ".join(f"{name} {value:.4f}" for name, value in summary["test"].items())
    teacher = ", ".join(f"{name} {value:.4f}" for name, value in summary["teacher"]["test"].items())
    console.print(f"test: {best} (teacher: {teacher})\nEverything is in {asked.config.out}.", highlight=False)


def _parsed(args: Sequence[str]) -> Command:
    if args and not args[0].startswith("-"):
        return tyro.cli(Command, args=args[1:], default=Command(read(args[0])), prog="opdf distill CONFIG.toml")
    if not {"-h", "--help"} & set(args):
        raise TensorNetError(
            "opdf distill: no configuration is given, needed the path of a TOML file as the first argument, because a run is "
            "what it says; see `opdf distill --help` for what it can hold, and examples/*.toml"
        )
    return tyro.cli(Command, args=args, prog="opdf distill CONFIG.toml")
