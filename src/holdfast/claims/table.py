"""The per-example table of a claim: frozen rows, columns by name, CSV in and out."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any, overload

from holdfast.claims.schema import NAME, STATUSES
from holdfast.claims.shapes import INT64
from holdfast.errors import VerificationError


@dataclass(frozen=True, slots=True)
class Row:
    """The outcome of one example."""

    id: int
    label: int
    status: str
    size: float | None  # size of the counterexample in the space's own measure, None without one
    broken_by: str | None  # name of the suite member that broke it first


COLUMNS = tuple(field.name for field in fields(Row))


class Table:
    """Rows in the order of evaluation; `table[3]` is a row, `table["status"]` a column."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = tuple(rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    @overload
    def __getitem__(self, key: int) -> Row: ...
    @overload
    def __getitem__(self, key: slice) -> Table: ...
    @overload
    def __getitem__(self, key: str) -> tuple[Any, ...]: ...
    def __getitem__(self, key: int | slice | str) -> Row | Table | tuple[Any, ...]:
        """Return a row, a smaller table, or the column of that name; KeyError if there is none."""
        if isinstance(key, slice):
            return Table(self._rows[key])
        if isinstance(key, str):
            if key not in COLUMNS:
                raise KeyError(f"no column {key!r}; the columns are {', '.join(COLUMNS)}")
            return tuple(getattr(row, key) for row in self._rows)
        return self._rows[key]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Table) and self._rows == other._rows

    def __hash__(self) -> int:
        return hash(self._rows)

    def __repr__(self) -> str:
        return f"Table({len(self)} rows: {', '.join(COLUMNS)})"

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return COLUMNS

    def to_csv(self) -> bytes:
        """Return the table as CSV with a header; an absent value is an empty cell."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in self._rows:
            cells = (getattr(row, name) for name in COLUMNS)
            writer.writerow("" if cell is None else cell for cell in cells)
        return text.getvalue().encode()

    @classmethod
    def from_csv(cls, data: bytes, name: str = "per_example.csv") -> Table:
        """Read a table of `to_csv`; VerificationError names the file and the first bad line."""
        try:
            lines = csv.reader(io.StringIO(data.decode()))
            if tuple(next(lines, ())) != COLUMNS:
                raise VerificationError(f"{name} must start with the columns {','.join(COLUMNS)}")
            return cls(_row(line, number, name) for number, line in enumerate(lines, start=2))
        except (UnicodeDecodeError, csv.Error) as error:
            raise VerificationError(f"{name} is not a CSV table of ours: {error}") from None


def _row(cells: list[str], number: int, name: str) -> Row:
    try:
        example, label, status, size, broken_by = cells
        distance = float(size) if size else None
        row = Row(int(example), int(label), status, distance, broken_by or None)
        if _fits(row):
            return row
    except ValueError:
        pass
    line = ",".join(cells)[:200]
    raise VerificationError(f"{name} line {number} is not a row: {line}")


def _fits(row: Row) -> bool:
    return (
        row.status in STATUSES
        and max(abs(row.id), abs(row.label)) <= INT64
        and (row.size is None or 0 <= row.size < math.inf)
        and len(row.broken_by or "") <= NAME
    )
