"""Run: a training between two steps, which either framework goes on from."""

import json
import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

from .._arrays import Array
from .._errors import TensorNetError
from .._format import Format
from ..formats import from_dict
from ._header import ITEMSIZE, Entry, Unreadable, parsed, read_header, write_header
from ._note import is_name, tensor_name
from ._raw import dtype_of, from_bytes, is_complex, library, to_bytes
from ._replace import replacing

KEY = "tensornet.run"
VERSION = 1
VALUES = "values"

Named = Mapping[str, tuple[Array, ...]]  # weight name → its factors; of a weight that has none, the one array


@dataclass(frozen=True)
class Run:
    """All that a training with Adam or AdamW goes on from, with the axes of its arrays as PyTorch has them.

    formats  weight name → format, of the weights that are trained through factors
    values   weight name → its factors; of a weight that has none, the one array: a matrix (out, in), a kernel
             (out, in, *kernel)
    moments  "mu" and "nu" → the same of the running means of gradients and of their squares
    step     updates so far
    scales   weight name → m_k of each factor, a number or one for each layer of a stack, where its steps are scaled
             (lr_transfer, see `tensornet.step_scales`); else nothing
    """

    formats: Mapping[str, Format]
    values: Named
    moments: Mapping[str, Named]
    step: int
    scales: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for kind, named in {VALUES: self.values, **self.moments}.items():
            many = [n for n, arrays in named.items() if n not in self.formats and len(arrays) != 1]
            if named.keys() != self.values.keys() or not self.formats.keys() <= named.keys() or many:
                raise TensorNetError(
                    f"Run: the {kind} are of {', '.join(named)}, needed those of {', '.join(self.values)}, with factors of "
                    f"{', '.join(self.formats) or 'none'} and one array of any other, because training goes on from all of it; "
                    f"give the missing, and the format of {', '.join(many) or 'each weight with factors'}"
                )
            for name, fmt in self.formats.items():
                fmt.check_factors(named[name])
        given = {name: len(m) for name, m in self.scales.items()}
        if given and given != {name: len(fmt.shapes) for name, fmt in self.formats.items()}:
            raise TensorNetError(
                f"Run: there are scales of {given}, needed one for each factor of {', '.join(self.formats) or 'no weight'}, or "
                f"none at all, because a learning rate means the same for all of them; give the missing"
            )

    def renamed(self, names: Mapping[str, str] | Callable[[str], str], /) -> "Run":
        """The same under other names, as two frameworks seldom agree on them.

        names: old name → new name, of those that change, or a function of any
        raises: TensorNetError if two weights would have one name
        """
        new = names if callable(names) else lambda name: names.get(name, name)
        if len({new(n) for n in self.values}) < len(self.values):
            raise TensorNetError(
                f"Run: of {', '.join(self.values)} two would have one name, needed a name for each, because arrays go by it; "
                f"give different ones"
            )
        moments = {kind: _renamed(m, new) for kind, m in self.moments.items()}
        return Run(
            _renamed(self.formats, new), _renamed(self.values, new), moments, self.step, _renamed(self.scales, new)
        )

    def check(
        self, formats: Mapping[str, Format], shapes: Mapping[str, Sequence[tuple[int, ...]]], /, *, scaled: bool = False
    ) -> None:
        """Refuse to go on with weights of other names, formats or shapes of their arrays than those given, or with another
        lr_transfer than `scaled`.
        """
        missing, surplus = [n for n in shapes if n not in self.values], [n for n in self.values if n not in shapes]
        both = [n for n in shapes if n in self.values]
        unlike = [
            f"{n} {self.formats.get(n)} for {formats.get(n)}" for n in both if self.formats.get(n) != formats.get(n)
        ]
        held = {n: [tuple(a.shape) for a in self.values[n]] for n in both}
        unlike += [f"{n} {held[n]} for {list(shapes[n])}" for n in both if held[n] != list(shapes[n])]
        if missing or surplus or unlike:
            raise TensorNetError(
                f"Run: it does not belong to these parameters: missing in the run {', '.join(missing) or 'nothing'}, only "
                f"in the run {', '.join(surplus) or 'nothing'}, of another format or shape {', '.join(unlike) or 'nothing'}; "
                f"needed the same, because none may keep a value of its own; make the same plan, and rename with run.renamed"
            )
        if bool(self.scales) != scaled:
            raise TensorNetError(
                f"Run: it is {'with' if self.scales else 'without'} lr_transfer, and what is to go on from it is not; needed "
                f"the same, because a learning rate means another thing with it; pass lr_transfer={bool(self.scales)} to "
                f"overparameterize, as then"
            )

    def save(self, path: str | os.PathLike[str], /) -> None:
        """Write one safetensors file, whole or not at all: tensors "values/NAME" and "values/NAME.k", and the moments alike.

        raises: TensorNetError for a name that is none or that two arrays would have, or an array that is not of real
            floats; OSError where the system refuses
        """
        tensors: dict[str, Array] = {}
        for name, x in self._tensors():
            if name in tensors:
                raise TensorNetError(
                    f"Run: two arrays would be saved as {name!r}, needed a name for each, because NAME.k is factor k of a "
                    f"weight NAME, and one of the two would be lost; rename a weight with run.renamed"
                )
            tensors[name] = x
        for name, x in tensors.items():
            if not is_name(name) or dtype_of(x) is None or is_complex(x):
                raise TensorNetError(
                    f"Run: {name!r} of dtype {x.dtype} cannot be saved, needed a printable name that is no path, and real "
                    f"floats of 16 to 64 bits, because others may read it, and moments of complex numbers are not the same in "
                    f"both frameworks; rename or convert it"
                )
        note = {
            "version": VERSION,
            "step": self.step,
            "formats": {n: f.to_dict() for n, f in self.formats.items()},
            "scales": self.scales,
            "checksums": {n: zlib.crc32(to_bytes(x)) for n, x in tensors.items()},
        }
        header = {n: (dtype_of(x) or "", tuple(x.shape)) for n, x in tensors.items()}
        order = sorted(tensors, key=lambda n: -ITEMSIZE[header[n][0]])  # stable: every tensor starts aligned
        with replacing(Path(path)) as file:
            file.write(write_header({n: header[n] for n in order}, {KEY: json.dumps(note)}))
            for name in order:
                file.write(to_bytes(tensors[name]))

    @staticmethod
    def load(path: str | os.PathLike[str], /, *, framework: Literal["numpy", "torch", "jax"] = "numpy") -> "Run":
        """The run of a file that `save` wrote, its arrays made by `framework`, to the bit.

        raises: TensorNetError for a file that is truncated, foreign or changed, before anything is allocated on its word;
            OSError where the system refuses
        """
        library(framework)
        with Path(path).open("rb") as file:
            try:
                return _read(file, os.fstat(file.fileno()).st_size, framework)
            except Unreadable as found:
                raise TensorNetError(
                    f"Run: {os.fspath(path)}: {found}; needed a whole file that Run.save wrote, because nothing is read from "
                    f"any other; copy or write it again"
                ) from found

    def _tensors(self) -> Iterator[tuple[str, Array]]:
        for kind, named in [(VALUES, self.values), *self.moments.items()]:
            for name, arrays in named.items():
                for k, x in enumerate(arrays):
                    yield f"{kind}/{tensor_name(name, k) if name in self.formats else name}", x


def _renamed(named: Mapping[str, Any], new: Callable[[str], str]) -> dict[str, Any]:
    return {new(name): x for name, x in named.items()}


def _read(file: BufferedReader, size: int, framework: str) -> Run:
    entries, metadata = read_header(file, size)
    formats, step, scales, checksums = _noted(metadata)
    if checksums.keys() != entries.keys():
        raise Unreadable(f"{sorted(checksums.keys() ^ entries.keys())} are noted but not there, or the other way round")
    kinds = dict.fromkeys([VALUES, *(name.partition("/")[0] for name in entries)])
    names = {kind: _names(kind, formats, entries) for kind in kinds}
    if any(held.keys() != names[VALUES].keys() for held in names.values()):
        raise Unreadable(f"{', '.join(names)} are not of the same weights")
    arrays = {name: _array(file, name, entry, checksums[name], framework) for name, entry in entries.items()}
    read = {kind: {n: tuple(arrays[t] for t in ts) for n, ts in held.items()} for kind, held in names.items()}
    try:
        return Run(formats, read.pop(VALUES), read, step, scales)
    except TensorNetError as error:
        raise Unreadable(f"its parts do not fit ({error})") from error


def _noted(metadata: Mapping[str, str]) -> tuple[dict[str, Format], int, dict[str, Any], dict[str, int]]:
    if KEY not in metadata:
        raise Unreadable(f"its metadata have no {KEY!r}, so that it holds something else than a run")
    note = parsed(metadata[KEY], "the note of its run")
    if note.get("version") != VERSION:
        raise Unreadable(f"its version is {note.get('version')!r}, and this release of tensornet reads {VERSION}")
    try:
        formats = {name: from_dict(fmt) for name, fmt in note["formats"].items()}
        for fmt in formats.values():
            fmt.shapes, fmt.shape  # noqa: B018  # worked out from the fields, which anybody may have written
        step, checksums = int(note["step"]), dict(note["checksums"])
        scales = {name: tuple(m) for name, m in note.get("scales", {}).items()}
    except Exception as error:  # whatever a format's own checks do not foresee
        raise Unreadable(f"the note of its run cannot be read ({type(error).__name__}: {error})") from error
    return formats, step, scales, checksums


def _names(kind: str, formats: Mapping[str, Format], entries: Mapping[str, Entry]) -> dict[str, list[str]]:
    """Weight name → the tensors of it, after a comparison with what its format says of them."""
    found = {}
    for name, fmt in formats.items():
        found[name] = [f"{kind}/{tensor_name(name, k)}" for k in range(len(fmt.shapes))]
        try:
            fmt.check_factors([SimpleNamespace(shape=entries[t].shape) for t in found[name]])
        except Exception as error:  # a factor that is not there, sizes of more digits than Python prints
            raise Unreadable(f"the factors of {name!r} in {kind!r} are not those of its format ({error})") from error
    factors = {t for tensors in found.values() for t in tensors}
    others = [t for t in entries if t.startswith(f"{kind}/") and t not in factors]
    return found | {t.removeprefix(f"{kind}/"): [t] for t in others}


def _array(file: BufferedReader, name: str, entry: Entry, checksum: int, framework: str) -> Array:
    data = bytearray(entry.size)
    file.seek(entry.start)
    file.readinto(data)
    if zlib.crc32(data) != checksum:
        raise Unreadable(f"{name!r} has changed since it was written: its checksum differs")
    return from_bytes(framework, entry, data, complex=False)
