"""Bytes of a file that may be gzipped, or lie in a zip."""

import gzip
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tensornet import TensorNetError


@dataclass(frozen=True)
class Content:
    """What a file says, unpacked, and what it is called in messages and in the model card."""

    name: str
    data: bytes

    def text(self) -> str:
        """UTF-8, without the byte-order mark."""
        try:
            return self.data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise TensorNetError(
                f"{self.name}: byte {error.start} is no UTF-8, needed text in UTF-8, because other encodings cannot be told "
                f"apart; convert the file, e.g. with iconv"
            ) from None


def find(folder: Path, names: Sequence[str]) -> tuple[Content, ...] | None:
    """The files of these names, with or without .gz; None unless all are there."""
    places = [_place(folder, name) for name in names]
    return None if None in places else tuple(_read(*place) for place in places if place)


def check_folder(who: str, folder: Path | None) -> Path:
    """The folder, if it is one."""
    if folder is None or not folder.is_dir():
        raise TensorNetError(
            f"{who}: folder={folder or 'none'} is no folder, needed the one with its files, because nothing is downloaded; set "
            f"folder, or hub=True where the hub can be reached"
        )
    return folder


def missing(folder: Path, part: str, alternatives: Iterable[Sequence[str]]) -> TensorNetError:
    """An error that names every name that is taken."""
    names = " or ".join(" + ".join(names) for names in alternatives)
    there = ", ".join(sorted(path.name for path in folder.iterdir())[:12]) or "nothing"
    return TensorNetError(
        f"{folder}: no file of {part} among {there}, needed {names}, each also as .gz, because these are the names it is "
        f"published under; put it there, or correct folder"
    )


def read(path: Path) -> Content:
    """One file of one's own, found with or without .gz."""
    found = _place(path.parent, path.name)
    if found is None:
        raise TensorNetError(f"{path}: no such file, needed a table, also as .gz; correct the name")
    return _read(*found)


def _place(folder: Path, name: str) -> tuple[Path, str] | None:
    """(file, member of the zip or ""); the name "a.zip/b" is the member b of a.zip."""
    archive, inside, member = name.partition(".zip/")
    if inside:
        path = folder / f"{archive}.zip"
        return (path, member) if path.is_file() and member in _members(path) else None
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path, ""
    return None


def _members(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except zipfile.BadZipFile as error:
        raise _damaged(path, error) from None


def _read(path: Path, member: str) -> Content:
    try:
        if member:
            with zipfile.ZipFile(path) as archive:
                return Content(member.rpartition("/")[2], archive.read(member))
        data = path.read_bytes()
        return Content(path.name, gzip.decompress(data) if path.suffix == ".gz" else data)
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> TensorNetError:
    return TensorNetError(
        f"{path.name}: cannot be unpacked ({error}), needed the whole file, because what is missing would be examples that "
        f"vanish unseen; fetch it again and compare its checksum"
    )
