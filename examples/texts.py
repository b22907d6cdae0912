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
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            yield from (row[column] for column in columns)


if __name__ == "__main__":
    out = csv.writer(sys.stdout)
    out.writerow(("text", "label"))
    for n, name in enumerate(sys.argv[1:]):
        out.writerows((text, n) for text in sentences(name) if text.strip())
