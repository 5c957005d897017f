"""A report of scored files as one HTML file that needs nothing else and prints well."""

import base64
import heapq
import html
import platform
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import nan

import numpy as np

import nvp_studio
from nvp_studio.score_row import VERDICTS, ScoreRow
from nvp_studio.text import escaped

SHOWN = 8
"""How many of the most unusual files, and of the most typical ones, are shown."""
_MOST_LABELS = 100
_MOST_ERRORS = 200
_BINS = 60
_LOOKS = ('fill="#d3d7de"', 'fill="#2a63c8" fill-opacity="0.2" stroke="#2a63c8"')
"""Of the reference's histogram and that of the files."""
_STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; color: #1b1e24; max-width: 1000px; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 22px; } h2 { font-size: 17px; margin-top: 2em; }
table { border-collapse: collapse; } td, th { text-align: left; padding: 3px 14px 3px 0; vertical-align: top; }
th { color: #5a616d; font-weight: 600; } td.number { text-align: right; font-variant-numeric: tabular-nums; }
td.path { overflow-wrap: anywhere; } .note { color: #5a616d; } svg { width: 100%; height: auto; }
figure { margin: 1em 0; break-inside: avoid; } figure img { max-width: 100%; image-rendering: pixelated; }
figcaption { overflow-wrap: anywhere; } tr { break-inside: avoid; }
@media print { body { margin: 0; max-width: none; } h2 { break-after: avoid; } }
"""


@dataclass(frozen=True)
class ReportFacts:
    """What a report says besides the rows."""

    card: Sequence[tuple[str, str]]
    """(name, value) of the model."""
    reference: Sequence[tuple[str, str]]
    """(name, value) of what verdicts compare with; empty where there are none."""
    reference_scores: Sequence[float]
    """Bits/dim of the model's reference images."""
    rate: float
    """The false-alarm rate."""
    pictures: Mapping[str, bytes]
    """PNG files of the maps of some files, by path."""


def extremes(rows: Iterable[ScoreRow], most: int = SHOWN) -> tuple[list[ScoreRow], list[ScoreRow]]:
    """The most unusual rows and the most typical ones, by their verdict, or by bits/dim where they have none."""
    scored = [row for row in rows if row.bits_per_dim is not None]
    worst = heapq.nsmallest(most, scored, key=_usual)
    chosen = {row.path for row in worst}
    return worst, heapq.nlargest(most, (row for row in scored if row.path not in chosen), key=_usual)


def report_html(rows: Sequence[ScoreRow], facts: ReportFacts) -> bytes:
    """The report of these rows, UTF-8."""
    verdicts: Counter[str] = Counter()
    by_label: defaultdict[str, list[tuple[float, bool]]] = defaultdict(list)
    scores: list[float] = []
    errors: list[tuple[str, str]] = []
    failed = 0
    for row in rows:
        if row.bits_per_dim is None:
            failed += 1
            if len(errors) < _MOST_ERRORS:
                errors.append((row.path, row.error))
            continue
        scores.append(row.bits_per_dim)
        verdicts[row.verdict] += 1
        by_label[row.label_name].append((row.bits_per_dim, row.verdict not in ("", "typical")))
    worst, best = extremes(rows)
    judged = bool(facts.reference)
    parts = [
        f"<h1>Scores by {_text(facts.card[0][1])}</h1>",
        f"<p>{len(scores):,} files scored, {failed:,} not readable. {_text(_now())}</p>",
        _heading("Model", _pairs(facts.card)),
    ]
    if judged:
        counts = [(name, f"{verdicts[name]:,}") for name in VERDICTS]
        rate = f"{100 * facts.rate:.3g} %"
        text = (
            f"At a false-alarm rate of {rate}: an image is unusual where the p-value of the combined rule is at most "
            f"{facts.rate:.3g}, and far outside where the tail fitted to the reference gives it less than a "
            "hundredth of that. Of images like the reference's, that share is called unusual as well."
        )
        parts.append(_heading("Verdicts", _pairs(counts), f"<p>{text}</p>", _pairs(facts.reference)))
    parts.append(_heading("Bits per dimension", _histogram(scores, facts.reference_scores)))
    labels = sorted(by_label)
    if len(labels) > 1:
        cells = [(label or "(none)", *_summary(by_label[label], judged)) for label in labels[:_MOST_LABELS]]
        heads = ("label", "files", "mean bits/dim", "unusual or far outside" if judged else "")
        parts.append(_heading("Labels", _table(heads, cells)))
    titles = ("Most unusual", "Most typical") if judged else ("Highest bits/dim", "Lowest bits/dim")
    parts.append(_heading(titles[0], *(_figure(row, facts.pictures) for row in worst)))
    parts.append(_heading(titles[1], *(_figure(row, facts.pictures) for row in best)))
    if facts.pictures:
        parts.append(
            '<p class="note">From left to right: the image; its bits, outlined where it has more than 99 % of the '
            "reference images have there; the bits of each scale, finest first; how much the log-likelihood changes "
            "with each pixel. Colours mean the same for all images. Layers of a flow move information between "
            "pixels: a pixel's share is the share of the terms that sit there, not of what the pixel caused.</p>"
        )
    if errors:
        left = [("…", f"{failed - len(errors):,} more")] if failed > len(errors) else []
        parts.append(_heading("Not readable", _table(("file", "reason"), [*errors, *left])))
    parts.append(
        _heading(
            "What this does not say",
            "<p>Lower bits/dim are likelier under the model, as plain pictures are too. They measure neither quality "
            "nor, alone, normality. A verdict says that an image differs from the reference images, not that it is "
            "bad; a difference that none of its statistics sees stays unseen.</p>",
        )
    )
    versions = f"NVP Studio {nvp_studio.__version__}, Python {platform.python_version()}, NumPy {np.__version__}"
    parts.append(f'<p class="note">{_text(versions)}</p>')
    head = f'<head><meta charset="utf-8"><title>Scores</title><style>{_STYLE}</style></head>'
    return f'<!doctype html><html lang="en">{head}<body>{"".join(parts)}</body></html>'.encode()


def _usual(row: ScoreRow) -> float:
    if row.log_tail is not None:
        return row.log_tail
    return -row.bits_per_dim if row.bits_per_dim is not None else nan


def _summary(scores: list[tuple[float, bool]], judged: bool) -> tuple[str, str, str]:
    unusual = sum(one for _, one in scores)
    share = f"{unusual:,} ({100 * unusual / len(scores):.1f} %)" if judged else ""
    return f"{len(scores):,}", f"{sum(score for score, _ in scores) / len(scores):.3f}", share


def _figure(row: ScoreRow, pictures: Mapping[str, bytes]) -> str:
    score = f"{row.bits_per_dim:.3f} bits/dim"
    verdict = "" if row.p_value is None else f", {row.verdict}, p = {row.p_value:.2g}"
    reasons = f": {'; '.join(row.reasons)}" if row.reasons else ""
    picture = pictures.get(row.path)
    shown = ""
    if picture:
        shown = f'<img alt="image and maps" src="data:image/png;base64,{base64.b64encode(picture).decode()}">'
    return f"<figure>{shown}<figcaption>{_text(row.path)}<br>{_text(score + verdict + reasons)}</figcaption></figure>"


def _histogram(scores: Sequence[float], reference: Sequence[float]) -> str:
    groups = [np.asarray(group, np.float64) for group in (reference, scores)]
    known = [group for group in groups if len(group)]
    if not known:
        return ""
    low = min(float(np.quantile(group, 0.005)) for group in known)
    high = max(float(np.quantile(group, 0.995)) for group in known)
    high = max(high, low + 0.02)
    shapes = []
    for group, look in zip(groups, _LOOKS, strict=True):
        counts, _ = np.histogram(np.clip(group, low, high), _BINS, (low, high))
        heights = 150 * counts / max(1, counts.max())
        corners = [
            f"{x:.1f},{160 - height:.1f}"
            for place, height in enumerate(heights)
            for x in (900 * place / _BINS, 900 * (place + 1) / _BINS)
        ]
        shapes.append(f'<polygon points="0,160 {" ".join(corners)} 900,160" {look}/>')
    ticks = "".join(
        f'<text x="{900 * at:.0f}" y="178" font-size="13" text-anchor="{anchor}">{low + at * (high - low):.2f}</text>'
        for at, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end"))
    )
    label = f"grey: {len(reference):,} reference images; blue: {len(scores):,} files"
    return f'<svg viewBox="0 0 900 184" role="img">{"".join(shapes)}{ticks}</svg><p class="note">{_text(label)}</p>'


def _heading(title: str, *content: str) -> str:
    return f"<h2>{_text(title)}</h2>{''.join(content)}"


def _pairs(pairs: Sequence[tuple[str, str]]) -> str:
    rows = (f'<tr><th>{_text(name)}</th><td class="path">{_text(value)}</td></tr>' for name, value in pairs)
    return f"<table>{''.join(rows)}</table>"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{_text(name)}</th>" for name in heads)
    lines = ("<tr>" + "".join(f'<td class="path">{_text(cell)}</td>' for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{''.join(lines)}</table>"


def _text(text: str) -> str:
    return html.escape(escaped(text))


def _now() -> str:
    return datetime.now().astimezone().isoformat(sep=" ", timespec="minutes")
