"""The real data, where OPDF_DATA names a folder with one folder a task: the published counts, and none lost on the way."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from opdf.tasks import TaskSpec, _fashion
from opdf.tasks._load import _read
from opdf.tasks._split import divide

DATA = os.environ.get("OPDF_DATA")
pytestmark = pytest.mark.skipif(DATA is None, reason="OPDF_DATA names no folder with the data")

# Of train, dev and test: how many, and how many of each class, as the data sets' authors and GLUE publish them.
PUBLISHED = {
    "sst2": ((67349, 872, 1821), ([29780, 37569], [428, 444], [912, 909])),
    "mrpc": ((3668, 408, 1725), ([1194, 2474], [129, 279], [578, 1147])),
    "cola": ((8551, 1043, None), ([2528, 6023], [162 + 162, 365 + 354], None)),
    "rte": ((2490, 277, None), ([1249, 1241], [146, 131], None)),
    "stsb": ((5749, 1500, 1379), (2.701, 2.364, 2.608)),
    "fashion_mnist": ((60000, None, 10000), ([6000] * 10, None, [1000] * 10)),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_counts(name):
    spec = TaskSpec(name, Path(DATA) / name)
    source = _read(spec)
    parts = (source.train, source.dev, source.test)
    assert tuple(part and len(part) for part in parts) == PUBLISHED[name][0]
    for part, labels in zip(parts, PUBLISHED[name][1], strict=True):
        if part and source.label_names:
            assert list(np.bincount(part.labels)) == labels
        elif part:
            assert part.labels.mean() == pytest.approx(labels, abs=5e-4)
    assert sum(map(Counter, map(examples, divide(source, spec)[:3])), Counter()) == sum(
        map(Counter, map(examples, filter(None, parts))), Counter()
    )


def examples(part):
    inputs = ((x.tobytes() for x in column) if column.dtype == np.uint8 else column for column in part.inputs)
    return list(zip(*inputs, part.labels.tolist(), strict=True))


def test_text_is_the_files_own():
    """Against a reading that knows nothing of columns: each pair stands in its file just so."""
    import gzip

    for name, file in (("mrpc", "msr_paraphrase_test.txt"), ("rte", "dev.tsv"), ("stsb", "sts-test.csv")):
        source = _read(TaskSpec(name, Path(DATA) / name))
        part = source.test or source.dev
        lines = gzip.decompress((Path(DATA) / name / f"{file}.gz").read_bytes()).decode("utf-8-sig").split("\n")
        for pair, line in zip(zip(*part.inputs, strict=True), lines[name != "stsb" :], strict=False):
            assert "\t".join(pair) in line


def test_the_pixels_of_fashion_mnist():
    pixels = _read(TaskSpec("fashion_mnist", Path(DATA) / "fashion_mnist")).train.inputs[0] / np.float32(255)
    assert pixels.mean(dtype=np.float64) == pytest.approx(_fashion.MEAN, abs=5e-5)
    assert pixels.std(dtype=np.float64) == pytest.approx(_fashion.DEVIATION, abs=5e-5)
