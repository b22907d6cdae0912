"""Sentences out of the tables of several tasks, as one CSV with columns text and label: the label says where each comes from.

    python examples/texts.py sst2/train.tsv.gz:sentence "mrpc/train.tsv.gz:#1 String:#2 String" train.en.gz > texts.csv

A file with columns after it is a table with a header, separated by tabs; one without has a sentence on each line.
"""

import csv
import gzip
import sys
from collections.abc import Iterator


def sentences(name: str) -> Iterator[str]:
    path, *columns = name.split(":")
    opened = gzip.open if path.endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8-sig") as file:
        if not columns:
            yield from (line.rstrip("\n") for line in file)
            return
        for n, row in enumerate(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE), 2):
            if lacking := [column for column in columns if row.get(column) is None]:
                sys.exit(
                    f"{path}, line {n}: no {', '.join(lacking)}, needed each of its columns; it has {', '.join(row)}"
                )
            yield from (row[column] for column in columns)


if __name__ == "__main__":
    rows = [(text, n) for n, name in enumerate(sys.argv[1:]) for text in sentences(name) if text.strip()]
    csv.writer(sys.stdout).writerows([("text", "label"), *rows])  # at the end, so that an error leaves nothing
