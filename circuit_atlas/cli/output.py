"""Results on standard output or in a file: a table for people, or JSON, CSV and Parquet for programs."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from circuit_atlas.errors import SettingsError

if TYPE_CHECKING:
    import pandas as pd

Row = Mapping[str, Any]


SHORT = 24
"""Columns no wider than this are never broken on a terminal; longer ones are where the width is short."""


class Format(StrEnum):
    """How a result is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


def choose_format(given: Format | None, output: Path | None) -> Format:
    """Take the format asked for, else the one that the file's ending names, else a table.

    Raises:
        SettingsError: Parquet is asked for without a file to hold it.

    """
    ending = output.suffix.lstrip(".").lower() if output else ""
    chosen = given or (Format(ending) if ending in set(Format) else Format.TABLE)
    if chosen is Format.PARQUET and output is None:
        raise SettingsError("parquet is binary: name the file with --output FILE")
    return chosen


def emit(columns: Sequence[str], rows: Sequence[Row], form: Format = Format.TABLE, output: Path | None = None) -> None:
    """Write rows in a format, to a file (whole or not at all) or to standard output."""
    if output is None and form is Format.TABLE:
        print_table(columns, rows)
        return
    content = _rendered(columns, rows, form)
    if output is None:
        sys.stdout.write(content.decode())
    else:
        _write_whole(output, content)


def _rendered(columns: Sequence[str], rows: Sequence[Row], form: Format) -> bytes:
    match form:
        case Format.TABLE:
            return _table_text(columns, rows).encode()
        case Format.JSON:
            plain = [{name: plain_value(row[name]) for name in columns} for row in rows]
            return (json.dumps(plain, ensure_ascii=False, indent=1, default=str) + "\n").encode()
        case Format.CSV:
            return _csv_text(columns, rows).encode()
        case Format.PARQUET:
            return _parquet(columns, rows)


def _csv_text(columns: Sequence[str], rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        values = (plain_value(row[name]) for name in columns)
        writer.writerow([json.dumps(v, ensure_ascii=False) if isinstance(v, (list, dict)) else v for v in values])
    return text.getvalue()


def _parquet(columns: Sequence[str], rows: Sequence[Row]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({name: pa.array([plain_value(row[name]) for row in rows]) for name in columns})
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def _write_whole(path: Path, content: bytes) -> None:
    """Write beside the file and rename, so that a full disk never leaves half a result under its name."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise SettingsError(f"{path} cannot be written: {error.strerror}; name another with --output") from None


def plain_value(value: Any) -> Any:
    """Return a value as JSON knows it: NaN and missing values become null, arrays lists."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain_value(v) for v in value]
    if isinstance(value, Mapping):
        return {str(k): plain_value(v) for k, v in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return None if type(value).__name__ in ("NAType", "NaTType") else value


def cell(value: Any) -> str:
    """Show one value in a table: four significant digits, lists joined, nothing where it is missing."""
    value = plain_value(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return " ".join(token(v) if isinstance(v, str) else cell(v) for v in value)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return " ".join(str(value).split("\n"))


def token(text: str) -> str:
    """Show a token so that its leading space and line breaks are seen."""
    shown = text.replace("\n", "↵").replace("\t", "⇥").replace(" ", "·")
    return shown or "''"


def print_table(columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Print aligned columns; a terminal breaks long texts to fit, in a pipe nothing is broken or cut."""
    if sys.stdout.isatty() and _fits(columns, rows, shutil.get_terminal_size().columns):
        _rich_table(columns, rows)
    else:
        sys.stdout.write(_table_text(columns, rows))


def _fits(columns: Sequence[str], rows: Sequence[Row], width: int) -> bool:
    """Whether a terminal can show it by breaking long columns alone; else its own line breaks do less harm."""
    return sum(min(_widest(name, rows), SHORT) + 2 for name in columns) <= width


def _widest(name: str, rows: Sequence[Row]) -> int:
    return max([len(name), *(len(cell(row[name])) for row in rows)])


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table of pandas as plain values."""
    columns = [str(name) for name in frame.columns]
    return [
        dict(zip(columns, map(plain_value, values), strict=True)) for values in frame.itertuples(index=False, name=None)
    ]


def print_frame(frame: pd.DataFrame, columns: Sequence[str] | None = None) -> None:
    """Print a table of pandas, or some of its columns."""
    print_table(columns or [str(name) for name in frame.columns], records(frame))


def print_settings(frame: pd.DataFrame, columns: Sequence[str] | None = None) -> None:
    """Print a table of measurements: columns, and the settings without which two of its rows would look alike."""
    from circuit_atlas.analysis.telling import DIGITS, told_apart

    shown = told_apart(frame, columns or [str(name) for name in frame.columns])
    rows = [row | {"data_digest": str(row.get("data_digest"))[:DIGITS]} for row in records(frame)]
    print_table(shown, rows)


def _rich_table(columns: Sequence[str], rows: Sequence[Row]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in columns:
        justify: Literal["left", "right"] = "right" if _is_number(rows, name) else "left"
        table.add_column(Text(name), justify=justify, overflow="fold", no_wrap=_widest(name, rows) <= SHORT)
    for row in rows:
        table.add_row(*(Text(cell(row[name])) for name in columns))
    Console().print(table)


def _table_text(columns: Sequence[str], rows: Sequence[Row]) -> str:
    texts = [list(columns), *([cell(row[name]) for name in columns] for row in rows)]
    widths = [max(len(line[i]) for line in texts) for i in range(len(columns))]
    right = [_is_number(rows, name) for name in columns]
    lines = (
        "  ".join(
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(line, widths, right, strict=True)
        )
        for line in texts
    )
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _is_number(rows: Sequence[Row], name: str) -> bool:
    values = [plain_value(row[name]) for row in rows]
    known = [v for v in values if v is not None]
    return bool(known) and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in known)
