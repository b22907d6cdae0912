"""Runs: what save and check refuse, and every way in which a file can be wrong."""

import dataclasses
import json
import tempfile
from pathlib import Path

import numpy as np

import tensornet as tn
from tensornet.files import Run

FMT = tn.LowRank(4, 6, 2)
VALUES = {"w": tuple(np.ones(s) for s in FMT.shapes), "bias": (np.zeros(4),)}
RUN = Run({"w": FMT}, VALUES, {"mu": VALUES, "nu": VALUES}, 3)
SHAPES = {"w": list(FMT.shapes), "bias": [(4,)]}


def save(**fields):
    with tempfile.TemporaryDirectory() as folder:
        dataclasses.replace(RUN, **fields).save(Path(folder, "run"))


def load(change, run=RUN):
    """Load a good file after `change` of its header, in place, and of its bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "run.safetensors")
        run.save(path)
        data = path.read_bytes()
        end = 8 + int.from_bytes(data[:8], "little")
        header = json.loads(data[8:end])
        made = change(header, data[end:])
        text = json.dumps(header).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text + (data[end:] if made is None else made))
        return Run.load(path)


def note(change):
    def changed(header, _):
        inner = json.loads(header["__metadata__"]["tensornet.run"])
        change(inner)
        header["__metadata__"]["tensornet.run"] = json.dumps(inner)

    return lambda: load(changed)


def renoted(note):
    """Without the moments of the bias."""
    for name in [n for n in note["checksums"] if n == "mu/bias"]:
        note["checksums"]["mu/gone"] = note["checksums"].pop(name)


def unnamed(header, _):
    header["mu/gone"] = header.pop("mu/bias")
    inner = json.loads(header["__metadata__"]["tensornet.run"])
    renoted(inner)
    header["__metadata__"]["tensornet.run"] = json.dumps(inner)


WHOLE = r".*; needed a whole file that Run.save wrote, .*; copy or write it again"

CASES = {
    "moments of half of it": (
        lambda: dataclasses.replace(RUN, moments={"mu": {"w": VALUES["w"]}}),
        r"Run: the mu are of w, needed those of w, bias, with factors of w and one array of any other",
    ),
    "two of one name": (lambda: RUN.renamed(lambda name: "w"), r"Run: of w, bias two would have one name"),
    "missing and surplus": (
        lambda: RUN.check({}, {"head": [(2,)], "w": list(FMT.shapes)}),
        r"missing in the run head, only in the run bias, of another format or shape w LowRank\(.*\) for None; .*run.renamed",
    ),
    "scales of half of it": (
        lambda: dataclasses.replace(RUN, scales={"w": (1.0,)}),
        r"Run: there are scales of \{'w': 1\}, needed one for each factor of w, or none at all",
    ),
    "scales of others in a file": (
        note(lambda n: n.update(scales={"v": [1.0, 2.0]})),
        rf"its parts do not fit \(Run: there are scales of \{{'v': 2\}}{WHOLE}",
    ),
    "scales to go on with": (
        lambda: RUN.check({"w": FMT}, SHAPES, scaled=True),
        r"Run: it is without lr_transfer, and what is to go on from it is not; needed the same",
    ),
    "another shape": (lambda: RUN.check({"w": FMT}, SHAPES | {"bias": [(5,)]}), r"bias \[\(4,\)\] for \[\(5,\)\]"),
    "complex": (
        lambda: save(values={"bias": (np.zeros(2, complex),)}, formats={}, moments={}),
        r"'values/bias' of dtype complex128 cannot be saved, needed a printable name .* and real floats",
    ),
    "integers": (lambda: save(values={"n": (np.zeros(2, int),)}, formats={}, moments={}), r"'values/n' of dtype int64"),
    "one name for two": (
        lambda: save(values={"w": VALUES["w"], "w.0": (np.full((4, 2), 7.0),)}, moments={}),
        r"Run: two arrays would be saved as 'values/w.0', needed a name for each, .*; rename a weight with run.renamed",
    ),
    "moments called values": (
        lambda: save(formats={}, values={"b": (np.zeros(2),)}, moments={"values": {"b": (np.ones(2),)}}),
        r"two arrays would be saved as 'values/b'",
    ),
    "path": (lambda: save(values={"../n": (np.zeros(2),)}, formats={}, moments={}), r"'values/../n' of dtype float64"),
    "foreign": (lambda: load(lambda h, _: h.pop("__metadata__") and None), rf"have no 'tensornet.run', .*{WHOLE}"),
    "version": (
        note(lambda n: n.update(version=2)),
        rf"its version is 2, and this release of tensornet reads 1{WHOLE}",
    ),
    "no step": (note(lambda n: n.pop("step")), rf"the note of its run cannot be read \(KeyError: 'step'\){WHOLE}"),
    "not noted": (
        note(lambda n: n["checksums"].pop("mu/w.1")),
        rf"\['mu/w.1'\] are noted but not there, or the{WHOLE}",
    ),
    "other factors": (
        note(lambda n: n["formats"]["w"].update(rank=3)),
        rf"the factors of 'w' in 'values' are not those of its format \(LowRank: got factors{WHOLE}",
    ),
    "factors gone": (
        note(lambda n: n["formats"].update(v=FMT.to_dict())),
        rf"the factors of 'v' in 'values' are not those of its format \('values/v.0'\){WHOLE}",
    ),
    "moments of others": (lambda: load(unnamed), rf"values, mu, nu are not of the same weights{WHOLE}"),
    "changed": (
        lambda: load(lambda _, data: b"\1" + data[1:]),
        rf"'values/w.0' has changed since it was written{WHOLE}",
    ),
    "truncated": (lambda: load(lambda _, data: data[:-8]), rf"leaves the file{WHOLE}"),
}
