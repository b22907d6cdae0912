"""Tables of text, one example a row."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from tensornet import TensorNetError

from ._files import Content


@dataclass(frozen=True)
class Layout:
    """Which columns hold the text and the label: names from a header line, or places in a table without one.

    separator  one character
    quoted     fields may stand in double quotes (RFC 4180); otherwise a quote is a character like any other
    columns    in each row of a table without header; more of them are let pass where `more`
    """

    text: tuple[str | int, ...]
    label: str | int
    separator: str = "\t"
    quoted: bool = False
    columns: int = 0
    more: bool = False

    def read(self, content: Content) -> tuple[list[list[str]], list[str]]:
        """(the columns of text, the labels)."""
        rows = self._rows(content)
        if isinstance(self.label, str):
            header = rows.pop(0)[1] if rows else []
            places = [_place(content.name, header, name) for name in (*self.text, self.label)]
            needed, more = len(header), False
        else:
            places = [int(n) for n in (*self.text, self.label)]
            needed, more = self.columns, self.more
        for line, row in rows:
            if len(row) < needed or (len(row) > needed and not more):
                raise TensorNetError(
                    f"{content.name}: line {line} has {len(row)} columns, needed {needed}, because a separator too many or "
                    f"too few puts text and label where they do not belong; correct the line"
                )
        *text, labels = ([row[n] for _, row in rows] for n in places)
        return text, labels

    def _rows(self, content: Content) -> list[tuple[int, list[str]]]:
        """(line number, fields) of each row; X"""
        if self.quoted:
            return self._quoted(content)
        lines = content.text().split("\n")
        if lines[-1] == "":  # what follows the last end of line
            lines.pop()
        limit = self.columns - 1 if self.separator == " " else -1
        return [(n, line.removesuffix("\r").split(self.separator, limit)) for n, line in enumerate(lines, 1)]

    def _quoted(self, content: Content) -> list[tuple[int, list[str]]]:
        reader = csv.reader(io.StringIO(content.text(), newline=""), delimiter=self.separator, strict=True)
        try:
            return [(reader.line_num, row) for row in reader if row]
        except csv.Error as error:
            raise TensorNetError(
                f"{content.name}: line {reader.line_num} is no CSV ({error}), needed quotes that close and are doubled inside "
                f"a field; correct the line, or save the table as .tsv, in which quotes mean nothing"
            ) from None


def _place(name: str, header: Sequence[str], column: str | int) -> int:
    if header.count(str(column)) != 1:
        raise TensorNetError(
            f"{name}: {header.count(str(column))} columns are called {column!r} among {', '.join(header) or 'none'}, needed "
            f"exactly one, because it is read by its name; correct the header or the name asked for"
        )
    return list(header).index(str(column))
