"""Medians, percentiles, and the table that a benchmark prints."""

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


def middle(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that ``percent`` of all do not exceed."""
    ranked = sorted(values)
    return ranked[max(0, -int(-len(ranked) * percent // 100) - 1)]


@dataclass(frozen=True)
class Options:
    """How much is measured."""

    share: float = 1.0
    """Of the messages, seconds and frames of a whole round."""
    rounds: int = 3
    devices: int = 20


@dataclass
class Report:
    """One table and the ratios below it."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: dict[str, tuple[float | None, ...]] = field(default_factory=dict)
    """A label and a number for each column; None where there is none."""
    ratios: dict[str, float] = field(default_factory=dict)
    reached: dict[str, tuple[float, float]] = field(default_factory=dict)
    """What is wished for: what was measured, and the limit that it should not exceed."""
    notes: list[str] = field(default_factory=list)

    def text(self) -> str:
        """The table for people."""
        wide = max(map(len, self.rows))
        columns = [max(10, len(column)) for column in self.columns]
        lines = ["", self.title, ""]
        heads = (head.rjust(size) for head, size in zip(self.columns, columns, strict=True))
        lines.append(f"  {'':{wide}}  {'  '.join(heads)}")
        for label, values in self.rows.items():
            cells = (
                ("-" if value is None else _plain(value)).rjust(size)
                for value, size in zip(values, columns, strict=True)
            )
            lines.append(f"  {label:{wide}}  {'  '.join(cells)}")
        lines.append("")
        lines += [f"  ratio  {what}: {_plain(ratio)}" for what, ratio in self.ratios.items()]
        for what, (found, limit) in self.reached.items():
            verdict = "reached" if found <= limit else "NOT reached"
            lines.append(f"  limit  {what}: {_plain(found)} of {_plain(limit)}: {verdict}")
        lines += [f"  note   {note}" for note in self.notes]
        return "\n".join(lines)

    def document(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "name": self.name,
            "columns": self.columns,
            "rows": self.rows,
            "ratios": self.ratios,
            "limits": {
                what: {"found": found, "limit": limit, "reached": found <= limit}
                for what, (found, limit) in self.reached.items()
            },
        }


def _plain(value: float) -> str:
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f}".replace(",", " ")


def options(description: str | None, arguments: Sequence[str]) -> tuple[Options, bool, list[str]]:
    """Parse a benchmark's command line; return options, whether JSON is wanted, and names."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("names", nargs="*", help="which benchmarks (default: all)")
    parser.add_argument("--quick", action="store_true", help="a quarter of it, one round")
    parser.add_argument("--rounds", type=int, choices=range(1, 10), help="default: 3")
    parser.add_argument("--json", action="store_true", help="one JSON line a benchmark")
    given = parser.parse_args(arguments)
    share, rounds = (0.25, 1) if given.quick else (1.0, 3)
    return Options(share, given.rounds or rounds), given.json, given.names


def say(text: str) -> None:
    """Print, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def show(report: Report, *, as_json: bool) -> None:
    """Print one report."""
    say(json.dumps(report.document()) if as_json else report.text())
