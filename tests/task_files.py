"""Tiny files in the layouts that the real data sets are published in."""

import gzip
import json
import struct
import zipfile
from pathlib import Path

import numpy as np

WORDS = ["good", "bad", "film", "plot", "a", "the", "is", "not", "very", "long", "!", '"']


def tokenizer(folder: Path) -> Path:
    """A BERT tokenizer of a few words, as `AutoTokenizer` finds it."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 128}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def sentence(n: int) -> str:
    """A text that says which one it is: three words, and a last one that shows the class n % 2."""
    digits = n % 7, n // 7 % 7, n // 49
    return " ".join(WORDS[2 + d] for d in digits) + f" {WORDS[1 - n % 2]}"


def put(path: Path, text: str, zipped: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode()
    if zipped:
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(data))
    else:
        path.write_bytes(data)


def table(rows: list[tuple], header: str | None = None) -> str:
    lines = ["\t".join(map(str, row)) for row in rows]
    return "\n".join(([header] if header else []) + lines) + "\n"


def sst2(folder: Path, train: int = 40, dev: int = 8, test: int = 12, zipped: bool = False) -> Path:
    for name, numbers in (("train", range(train)), ("dev", range(100, 100 + dev))):
        put(folder / f"{name}.tsv", table([(sentence(n), n % 2) for n in numbers], "sentence\tlabel"), zipped)
    put(folder / "test.tsv", table([(n, sentence(n)) for n in range(200, 200 + test)], "index\tsentence"), zipped)
    put(folder / "stsa.binary.test", "".join(f"{n % 2} {sentence(n)}\n" for n in range(200, 200 + test)), zipped)
    return folder


def mrpc(folder: Path, train: int = 40, dev: int = 8, test: int = 12, zipped: bool = False) -> Path:
    """With the byte-order mark, and quotes that open and never close."""
    header = "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String"
    parts = (("train.tsv", 0, train), ("dev.tsv", 100, dev), ("msr_paraphrase_test.txt", 200, test))
    for name, first, count in parts:
        rows = [(n % 2, n, n + 1, f'" {sentence(n)}', f'{sentence(n)} " !') for n in range(first, first + count)]
        put(folder / name, table(rows, header), zipped)
    return folder


def rte(folder: Path, train: int = 40, dev: int = 8, zipped: bool = False) -> Path:
    for name, first, count in (("train", 0, train), ("dev", 100, dev)):
        rows = [
            (n - first, sentence(n), "a film", ("entailment", "not_entailment")[n % 2])
            for n in range(first, first + count)
        ]
        put(folder / f"{name}.tsv", table(rows, "index\tsentence1\tsentence2\tlabel"), zipped)
    put(folder / "test.tsv", table([(0, "a", "the")], "index\tsentence1\tsentence2"), zipped)
    return folder


def cola(folder: Path, train: int = 40, dev: int = 8, zipped: bool = True) -> Path:
    """The authors' zip; without `zipped` GLUE's folder."""

    def rows(first: int, count: int) -> str:
        return table([("gj04", n % 2, "" if n % 2 else "*", sentence(n)) for n in range(first, first + count)])

    half = dev // 2
    if not zipped:
        put(folder / "train.tsv", rows(0, train), False)
        put(folder / "dev.tsv", rows(100, dev), False)
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / "cola_public_1.1.zip", "w") as archive:
        parts = {
            "in_domain_train": (0, train),
            "in_domain_dev": (100, half),
            "out_of_domain_dev": (100 + half, dev - half),
        }
        for name, numbers in parts.items():
            archive.writestr(f"cola_public/raw/{name}.tsv", rows(*numbers))
    return folder


def stsb(folder: Path, train: int = 40, dev: int = 8, test: int = 12, zipped: bool = False) -> Path:
    """GLUE's files with a header, the labelled test without one and with more columns in some rows."""

    def row(n: int) -> tuple:
        return "main", "MSR", "2012", n, "none", "none", sentence(n), "a film", f"{n % 6:.3f}"

    header = "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore"
    for name, first, count in (("train", 0, train), ("dev", 100, dev)):
        put(folder / f"{name}.tsv", table([(n - first, *row(n)) for n in range(first, first + count)], header), zipped)
    original = [
        ("main", "MSR", "2012", n, f"{n % 6:.3f}", sentence(n), "a film", *(("from", "there") if n % 3 == 0 else ()))
        for n in range(200, 200 + test)
    ]
    put(folder / "sts-test.csv", table(original), zipped)
    return folder


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">I{array.ndim}I", 0x800 + array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def fashion_mnist(folder: Path, train: int = 60, test: int = 20, zipped: bool = False) -> Path:
    """Images of which each pixel is 10 · class + place, as large as the real ones."""
    folder.mkdir(parents=True, exist_ok=True)
    for prefix, count in (("train", train), ("t10k", test)):
        labels = np.arange(count) % 10
        images = (np.arange(28 * 28) % 10 + 10 * labels[:, None]).reshape(-1, 28, 28)
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            data, path = idx(array), folder / f"{prefix}-{name}-ubyte"
            if zipped:
                path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(data))
            else:
                path.write_bytes(data)
    return folder


GERMAN = {"a": "ein", "dog": "Hund", "cat": "Kater", "boy": "Junge", "runs": "läuft", "sits": "sitzt", "sees": "sieht"}


def pair(n: int) -> tuple[str, str]:
    """A sentence that says which one it is, and its translation, word for word with the verb at the end."""
    who, verb, whom = (
        ["dog", "cat", "boy"][n % 3],
        ["runs", "sits", "sees"][n // 3 % 3],
        ["dog", "cat", "boy"][n // 9 % 3],
    )
    english = ["a", who, verb, "a", whom]
    german = [GERMAN[word] for word in ("a", who, "a", whom, verb)]
    return f"A {' '.join(english[1:])}.", f"Ein {' '.join(german[1:])}."


def parallel(folder: Path, train: int = 40, dev: int = 8, test: int = 12, zipped: bool = False) -> Path:
    """Multi30k's names."""
    for part, first, count in (("train", 0, train), ("val", 100, dev), ("test_2016_flickr", 200, test)):
        for language, place in (("en", 0), ("de", 1)):
            text = "".join(f"{pair(n)[place]}\n" for n in range(first, first + count))
            put(folder / f"{part}.{language}", text, zipped)
    return folder


WRITERS = {"sst2": sst2, "mrpc": mrpc, "cola": cola, "rte": rte, "stsb": stsb, "fashion_mnist": fashion_mnist}
