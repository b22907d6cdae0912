"""Hugging Face datasets: clones of the hub's repositories, as `datasets` reads them, in the place of the hub."""

import datasets
import numpy as np
import pytest
import task_files

from opdf.tasks import TaskSpec, load

SPLITS = ("train", "validation", "test")


@pytest.fixture(autouse=True)
def quiet(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


def clone(folder, config, columns):
    """A repository of parquet files and the configuration that names them."""
    for split in SPLITS:
        if split in columns:
            (folder / config).mkdir(parents=True, exist_ok=True)
            data = datasets.Dataset.from_dict(columns[split])
            if "image" in columns[split]:
                data = data.cast_column("image", datasets.Image())
            data.to_parquet(folder / config / f"{split}-00000-of-00001.parquet")
    files = "".join(f"  - split: {s}\n    path: {config}/{s}-*\n" for s in columns)
    (folder / "README.md").write_text(f"---\nconfigs:\n- config_name: {config}\n  data_files:\n{files}---\n")
    return folder


def texts(first, count, labels, pair):
    numbers = range(first, first + count)
    second = {"sentence2": ["a film"] * count} if pair else {}
    name = "sentence1" if pair else "sentence"
    return {name: [task_files.sentence(n) for n in numbers], **second, "label": [labels(n) for n in numbers]}


@pytest.mark.parametrize("name", ["sst2", "cola", "rte", "stsb"])
def test_the_same_as_the_files(name, words, tmp_path):
    """A hidden test, all −1, counts as none, as in a plain GLUE folder."""
    pair, number = name in ("rte", "stsb"), float if name == "stsb" else int
    label = (lambda n: float(n % 6)) if name == "stsb" else (lambda n: n % 2)
    columns = {
        "train": texts(0, 40, label, pair),
        "validation": texts(100, 8, label, pair),
        "test": texts(200, 12, lambda n: number(-1), pair),
    }
    from_hub = load(TaskSpec(name, clone(tmp_path / "hub", name, columns), hub=True), words)
    folder = task_files.WRITERS[name](tmp_path / "files")
    for labelled in ("stsa.binary.test", "sts-test.csv"):
        (folder / labelled).unlink(missing_ok=True)
    from_files = load(TaskSpec(name, folder), words)
    for part in ("train", "dev", "test"):
        assert from_hub.digest(part) == from_files.digest(part)
    assert "the hub's validation (no labelled test" in from_hub.splits


def test_a_labelled_test(words, tmp_path):
    """MRPC's is public."""
    columns = {s: texts(100 * k, 10, lambda n: n % 2, True) for k, s in enumerate(SPLITS)}
    task = load(TaskSpec("mrpc", clone(tmp_path, "mrpc", columns), hub=True), words)
    assert (len(task.train), len(task.dev), len(task.test)) == (10, 10, 10)


def test_images(tmp_path):
    from PIL import Image

    labels = [n % 10 for n in range(40)]
    images = [Image.fromarray(np.full((28, 28), 10 * label, np.uint8)) for label in labels]
    columns = {s: {"image": images, "label": labels} for s in ("train", "test")}
    task = load(TaskSpec("fashion_mnist", clone(tmp_path, "fashion_mnist", columns), hub=True))
    assert (len(task.train), len(task.dev), len(task.test)) == (30, 10, 40)
    raw = (task.test.fields["pixels"] * 0.3530 + 0.2860) * 255
    np.testing.assert_allclose(raw[:, 3, 4], 10 * np.array(labels), atol=1e-3)
