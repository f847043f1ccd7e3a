"""How the command line speaks: data to stdout, everything else to stderr, errors as one plain sentence with a hint."""

import datetime
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from state.messages.extraction import TokenUsage


def print_json(value: Any) -> None:
    """Print one JSON document. attrs classes become objects, paths become texts."""
    sys.stdout.write(json.dumps(_plain(value), ensure_ascii=False, indent=2) + "\n")


def _plain(value: Any) -> Any:
    if attrs.has(type(value)):
        return {field.name: _plain(getattr(value, field.name)) for field in attrs.fields(type(value))}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def print_error(error: BaseException, *, as_json: bool) -> None:
    """Print an error for a person, or as JSON `{"error": {code, message, hint, retryable}}` on stdout."""
    message = str(error) or type(error).__name__
    hint = str(getattr(error, "hint", ""))
    if as_json:
        code = str(getattr(error, "code", "internal"))
        retryable = bool(getattr(error, "retryable", False))
        print_json({"error": {"code": code, "message": message, "hint": hint, "retryable": retryable}})
        return
    sys.stderr.write(f"memoryd: {message}\n")
    if hint:
        sys.stderr.write(f"  hint: {hint}\n")


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under a header: aligned and cut to the window on a terminal, separated by tabs elsewhere."""
    if not sys.stdout.isatty():
        for row in (header, *rows):
            sys.stdout.write("\t".join(one_line(cell) for cell in row) + "\n")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    for title in header:
        # The last two columns are texts of any length and give way; the others must stay whole to be usable.
        share = {header[-1]: 2, header[-2]: 1}.get(title)
        table.add_column(title, no_wrap=True, overflow="ellipsis", ratio=share)
    for row in rows:
        table.add_row(*(one_line(cell) for cell in row))
    Console().print(table, markup=False)


_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])")
"""Terminal control sequences; a title may hold some, and they are not ours to act out."""


def one_line(text: str) -> str:
    """The text as one line that a terminal only shows."""
    text = _ESCAPE.sub("", text)
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def ago(at_ms: int | None, now_ms: int) -> str:
    """A time for people: "3 h ago", "in 20 s"; "-" when there is none."""
    if at_ms is None:
        return "-"
    seconds = (now_ms - at_ms) / 1000
    amount = abs(seconds)
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if amount >= size:
            text = f"{amount / size:.0f} {unit}"
            break
    else:
        text = f"{amount:.0f} s"
    return f"{text} ago" if seconds >= 0 else f"in {text}"


def tokens(usage: TokenUsage) -> str:
    """What a model has cost, for people."""
    return (
        f"{usage.input_tokens:,} in ({usage.cached_input_tokens:,} of them cached), {usage.output_tokens:,} out,"
        f" {usage.model_calls:,} calls"
    )


def iso(at_ms: int | None) -> str | None:
    """Unix ms as RFC 3339 in UTC, for JSON; None stays None. A time that no calendar has is said in milliseconds."""
    if at_ms is None:
        return None
    try:
        return datetime.datetime.fromtimestamp(at_ms / 1000, datetime.UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return f"{at_ms} ms"  # an absurd clock, or a row that was written by hand
