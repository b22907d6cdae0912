"""A card is published: where things lie on a machine is nobody's business."""

import shlex
from collections.abc import Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any


def without_folders(value: Any) -> Any:
    """The same with every text that is an absolute path cut to its last part: .../mrpc."""
    match value:
        case str() if PurePosixPath(value).is_absolute() or PureWindowsPath(value).is_absolute():
            return f".../{PureWindowsPath(value).name}"
        case Mapping():
            return {name: without_folders(inner) for name, inner in value.items()}
        case list():
            return [without_folders(inner) for inner in value]
    return value


def command_without_folders(command: str) -> str:
    """The same of a command's words, of --name=path as well."""
    return shlex.join("=".join(without_folders(part) for part in word.split("=")) for word in shlex.split(command))
