"""The tables of what was measured."""

from collections import defaultdict
from typing import Any

from benchmarks.peers.models import STUDIO
from benchmarks.peers.speed import BATCH, DECODE_MANY, DECODE_ONE, LIKELIHOOD, TRAINING

Row = dict[str, Any]


def tables(rows: list[Row]) -> str:
    """Markdown: speed by data set, then bits/dim by data set and budget, with machine, versions, date and command."""
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    memory = {(row["model"], row["data"]): row["mib"] for row in rows if row["measure"] == "memory"}
    for row in rows:
        if row["measure"] != "memory":
            groups[row["measure"], row["data"]].append({"mib": memory.get((row["model"], row["data"])), **row})
    parts = []
    for (measure, data), group in sorted(groups.items(), reverse=True):
        body = _speed(group) if measure == "speed" else _learning(group)
        last = group[-1]
        versions = ", ".join(f"{package} {version}" for package, version in last["versions"].items())
        parts.append(f"{data}: `{last['command']}`\n{last['machine']}; {versions}; {last['date']}\n\n{body}")
    return "\n\n".join(parts)


def _speed(rows: list[Row]) -> str:
    newest = {row["model"]: row for row in rows}
    lines = [
        "| model | parameters | training, images/s | likelihoods/s | decode 1 | decode 64 | peak memory |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in newest.values():
        figures = {
            TRAINING: f"{BATCH / row[TRAINING]:.0f}",
            LIKELIHOOD: f"{BATCH / row[LIKELIHOOD]:.0f}",
            DECODE_ONE: f"{1e3 * row[DECODE_ONE]:.1f} ms",
            DECODE_MANY: f"{1e3 * row[DECODE_MANY]:.0f} ms",
        }
        told = [text + _ratio(row, what) for what, text in figures.items()]
        lines.append(f"| {row['model']} | {row['parameters']:,} | {' | '.join(told)} | {_mib(row)} |")
    return "\n".join(lines)


def _mib(row: Row) -> str:
    return "-" if row["mib"] is None else f"{row['mib']:.0f} MiB"


def _ratio(row: Row, what: str) -> str:
    """How many times as long as NVP Studio, in brackets."""
    ratio = row.get(f"{what}, ratio")
    return "" if ratio is None or row["model"] == STUDIO else f" ({ratio:.2f})"


def _learning(rows: list[Row]) -> str:
    lines = [
        "| minutes | model | rate | batch | steps | images | validation | test |",
        "|---:|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in sorted(rows, key=lambda row: (row["minutes"], row["test"])):
        lines.append(
            f"| {row['minutes']:g} | {row['model']} | {row['rate']:.2g} | {row['batch']} | {row['steps']:,} "
            f"| {row['images']:,} | {row['validation']:.3f} | {row['test']:.3f} |"
        )
    return "\n".join(lines)
