"""A report of scored images as one HTML file that needs no other: what the model is, counts, histograms, examples.

It follows the light or dark preference of the browser, and is light on paper.
"""

import base64
import heapq
import html
import platform
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Annotated

import msgspec
import numpy as np
import numpy.typing as npt

from nvp_studio import __version__
from nvp_studio.limits import Name, Scores, Sentence
from nvp_studio.score_row import FAR, VERDICTS, ScoreRow
from nvp_studio.text import escaped

EXAMPLES = 12
"""Most images that are shown of each end."""
MAX_LABELS = 100
MAX_FAILED = 200
_BINS = 40
_WIDTH, _HEIGHT = 640, 160

Floats = npt.NDArray[np.float64]
Pairs = Annotated[tuple[tuple[Name, Sentence], ...], msgspec.Meta(max_length=64)]
Draw = Callable[[ScoreRow], bytes]
"""A PNG file of a row: its image, or this with its maps; empty where there is none."""

_STYLE = """
:root { color-scheme: light dark; --text: #1b1e24; --dim: #5a616d; --back: #fff; --line: #d9dce2; --bar: #7aa6d8;
--mark: #b3261e; --unusual: #8a5a00; --far: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e8ec; --dim: #a3a9b4; --back: #16181d; --line: #343842;
--bar: #5d8fd0; --mark: #ff8a80; --unusual: #e0b060; --far: #ff8a80; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back); max-width: 64rem;
margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; line-height: 1.25; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
table { border-collapse: collapse; max-width: 100%; }
table.wide { width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .25rem 1.2rem .25rem 0; overflow-wrap: anywhere; }
th { font-weight: 600; color: var(--dim); min-width: 6rem; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; min-width: 0; overflow-wrap: normal; }
tr { border-bottom: 1px solid var(--line); } tr > :last-child { padding-right: 0; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(10rem, 1fr)); gap: 0 1rem; }
.note { color: var(--dim); font-size: .92em; }
.far { color: var(--far); } .unusual { color: var(--unusual); }
figure { margin: 0 0 1.4rem; } figure img { display: block; max-width: 100%; height: auto; image-rendering: pixelated;
border: 1px solid var(--line); }
figcaption { margin-top: .3rem; overflow-wrap: anywhere; }
svg { display: block; width: 100%; max-width: 46rem; height: auto; } svg text { fill: var(--dim); font-size: 12px; }
.bar { fill: var(--bar); } .known { fill: none; stroke: var(--text); stroke-width: 1.5; }
.threshold { stroke: var(--mark); stroke-dasharray: 4 3; stroke-width: 1.5; } .axis { stroke: var(--dim); }
@media (max-width: 40rem) { th, td { padding-right: .7rem; } svg text { font-size: 20px; } }
@page { margin: 15mm; }
@media print {
:root { color-scheme: light; --text: #000; --dim: #444; --back: #fff; --line: #ccc; --bar: #7aa6d8; --mark: #b3261e;
--unusual: #6b4600; --far: #8c1d18; }
* { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
body { max-width: none; margin: 0; padding: 0; font-size: 10pt; }
h2 { break-after: avoid; } figure, p, tr, table.short, .whole { break-inside: avoid; }
thead { display: table-header-group; } figure img { max-height: 60mm; } }
"""


class ReportFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a report says besides the rows."""

    name: Name
    """Of the model."""
    card: Pairs
    """(name, value): what the model is."""
    reference: Pairs = ()
    """(name, value): what verdicts compare with; empty where there are none."""
    bits: Scores = ()
    """Bits/dim of the reference images."""
    distances: Scores = ()
    """Distances of the images that calibrate verdicts, sorted."""
    versions: Pairs = ()
    gradients: bool = True
    """Whether the model has gradients in pixels, so that maps show them."""


class ScoreReport:
    """Takes rows one by one, and holds a number or two of each and a few of the rows, however many there are."""

    def __init__(self, *, judged: bool) -> None:
        """`judged` is whether the rows have verdicts."""
        self._judged = judged
        self._bits, self._distances = array("f"), array("f")
        self._verdicts: Counter[str] = Counter()
        self._labels: dict[str, list[float]] = {}
        """By label: number of files, sum of their bits/dim, number of unusual ones."""
        self._more_labels = False
        self._failed: list[ScoreRow] = []
        self._failures = 0
        self._worst: list[tuple[float, int, ScoreRow]] = []
        self._best: list[tuple[float, int, ScoreRow]] = []

    def add(self, row: ScoreRow) -> None:
        """Take a row into account."""
        if row.bits_per_dim is None:
            self._failures += 1
            if len(self._failed) < MAX_FAILED:
                self._failed.append(row)
            return
        self._bits.append(row.bits_per_dim)
        distance = None if row.numbers is None else row.numbers.distance
        if distance is not None:
            self._distances.append(distance)
        self._verdicts[row.verdict] += 1
        label = row.label_name or ("" if row.label is None else str(row.label))
        if label in self._labels or len(self._labels) < MAX_LABELS:
            one = self._labels.setdefault(label, [0, 0.0, 0])
            for place, value in enumerate((1, row.bits_per_dim, row.verdict not in ("", "typical"))):
                one[place] += value
        else:
            self._more_labels = True
        rank = _rank(row) if self._judged else row.bits_per_dim
        for heap, value in ((self._worst, rank), (self._best, -rank)):
            entry = (value, -len(self._bits), row)
            if len(heap) < EXAMPLES:
                heapq.heappush(heap, entry)
            else:
                heapq.heappushpop(heap, entry)

    def examples(self) -> tuple[list[ScoreRow], list[ScoreRow]]:
        """The rows that are shown: the most unusual ones and, without these, the least unusual ones."""
        worst = [row for _, _, row in sorted(self._worst, reverse=True)]
        shown = {row.path for row in worst}
        return worst, [row for _, _, row in sorted(self._best, reverse=True) if row.path not in shown]

    def page(self, facts: ReportFacts, rate: float, draw: Draw) -> bytes:
        """The HTML file, UTF-8; `rate` of false alarms is what the verdicts of the rows hold for."""
        threshold = _threshold(facts.distances, rate) if self._judged and facts.distances else None
        titles = ("Most unusual", "Least unusual") if self._judged else ("Highest bits/dim", "Lowest bits/dim")
        now = datetime.now().astimezone().isoformat(sep=" ", timespec="minutes")
        body = [
            f"<h1>Scores by {_text(facts.name)}</h1>",
            f"<p>{len(self._bits):,} images scored, {self._failures:,} could not be read. {_text(now)}</p>",
            *self._verdict_parts(facts, rate, threshold),
            *self._histograms(facts, threshold),
            *self._label_table(),
        ]
        for title, rows in zip(titles, self.examples(), strict=True):
            note = _note_on_maps(facts.gradients) if self._judged and title == titles[0] else ""
            body += _examples(f"<h2>{title}</h2>{note}", [_figure(row, draw(row)) for row in rows], wide=self._judged)
        body += [
            *self._failed_files(),
            "<h2>Model</h2>",
            _pairs(facts.card),
            "<h2>What this does not say</h2>",
            _LIMITS,
            "<h2>Versions</h2>",
            _pairs((("NVP Studio", __version__), *facts.versions, ("system", platform.platform()))),
        ]
        head = (
            '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
            f"<title>Scores by {_text(facts.name)}</title><style>{_STYLE}</style>"
        )
        text = f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(body)}</body></html>\n'
        return text.encode("utf-8", "backslashreplace")

    def _verdict_parts(self, facts: ReportFacts, rate: float, threshold: float | None) -> list[str]:
        if not self._judged:
            return []
        count = max(1, len(self._bits))
        rows = [
            (name, f"{self._verdicts[name]:,}", f"{self._verdicts[name] / count:.2%}".replace("%", " %"))
            for name in VERDICTS
        ]
        above = "" if threshold is None else f", which is a distance above {threshold:.4g}"
        text = (
            f"Rate of false alarms: {100 * rate:.3g} %. An image is unusual where its p-value is at most that{above}; "
            f"of images like the reference's that share is called unusual as well. It is far outside where the tail "
            f"fitted to the reference gives it less than {100 * FAR * rate:.2g} %."
        )
        return [
            "<h2>Verdicts</h2>",
            _table(("verdict", "images", "share"), rows, numbers=(1, 2)),
            f"<p>{_text(text)}</p>",
            _pairs(facts.reference),
        ]

    def _histograms(self, facts: ReportFacts, threshold: float | None) -> list[str]:
        if not len(self._bits):
            return []
        parts = ["<h2>Histograms</h2>", _histogram("Bits/dim", _floats(self._bits), facts.bits, None)]
        if self._judged and len(self._distances):
            title = "Distance, by which verdicts are given"
            parts.append(_histogram(title, _floats(self._distances), facts.distances, threshold))
        return parts

    def _label_table(self) -> list[str]:
        if not any(self._labels) or len(self._labels) < 2:
            return []
        heads = ("label", "images", "mean bits/dim", *(("unusual or far outside",) if self._judged else ()))
        rows = [
            (
                label or "none",
                f"{count:,.0f}",
                f"{bits / count:.3f}",
                *((f"{unusual:,.0f} ({100 * unusual / count:.1f} %)",) if self._judged else ()),
            )
            for label, (count, bits, unusual) in sorted(self._labels.items())
        ]
        more = f'<p class="note">Only the first {MAX_LABELS} labels.</p>' if self._more_labels else ""
        return ["<h2>Labels</h2>", _table(heads, rows, numbers=(1, 2, 3)), more]

    def _failed_files(self) -> list[str]:
        if not self._failures:
            return []
        more = self._failures - len(self._failed)
        note = f'<p class="note">and {more:,} more</p>' if more else ""
        rows = [(row.path, row.error) for row in self._failed]
        return ["<h2>Could not be read</h2>", _table(("file", "reason"), rows, wide=True), note]


_LIMITS = (
    "<p>Lower bits/dim are likelier under the model, as plain images are too. They measure neither quality nor, alone, "
    "normality. A verdict says that an image differs from the reference images, not that it is bad; a difference that "
    "none of its statistics sees stays unseen.</p>"
)


def _note_on_maps(gradients: bool) -> str:
    last = "; how much the log-likelihood changes with each pixel" if gradients else ""
    return (
        '<p class="note">From left to right: the image; its bits, outlined where it has more than 99 % of the '
        f"reference images have there; the bits of each scale, finest first{last}. "
        "Colours mean the same for all images. Layers of a flow move information between pixels: a pixel's share is "
        "the share of the terms that sit there, not of what the pixel caused.</p>"
    )


def _threshold(calibration: Sequence[float], rate: float) -> float:
    """The distance above which images are unusual, of sorted ones that calibrate."""
    fewer = int(rate * (len(calibration) + 1) * (1 + 1e-12))
    return calibration[max(0, len(calibration) - max(fewer - 1, 0) - 1)]


def _rank(row: ScoreRow) -> float:
    """How unusual a row with a score is, by what its verdict rests on."""
    return -row.log_tail if row.log_tail is not None else -1e9 + (row.bits_per_dim or 0.0)


def _examples(heading: str, figures: list[str], *, wide: bool) -> list[str]:
    """Wide figures below each other, of which the first stays with the heading; others side by side."""
    if not figures:
        return []
    if wide:
        return [f'<div class="whole">{heading}{figures[0]}</div>', *figures[1:]]
    return [heading, f'<div class="grid">{"".join(figures)}</div>']


def _figure(row: ScoreRow, content: bytes) -> str:
    picture = ""
    if content:
        source = base64.b64encode(content).decode()
        picture = f'<img alt="image and maps" src="data:image/png;base64,{source}">'
    said = {"unusual": "unusual", "far outside": "far"}.get(row.verdict)
    verdict = f'<span class="{said}">{row.verdict}</span>' if said else row.verdict
    p_value = "" if row.p_value is None else f", {verdict}, p = {row.p_value:.2g}"
    reasons = f": {_text('; '.join(row.reasons))}" if row.reasons else ""
    score = f"{row.bits_per_dim:.3f} bits/dim{p_value}{reasons}"
    return (
        f"<figure>{picture}<figcaption><bdi><strong>{_text(row.path)}</strong></bdi><br>{score}</figcaption></figure>"
    )


def _histogram(title: str, values: Floats, known: Sequence[float], threshold: float | None) -> str:
    """Bars of the values, and as a line the reference's, each as a share of its own number."""
    groups = [values, np.asarray(known, np.float64)] if len(known) else [values]
    both = np.concatenate(groups)
    low, high = (float(end) for end in np.percentile(both, [0.5, 99.5]))
    if threshold is not None:
        high = max(high, 1.1 * threshold)
    edges = np.linspace(low, max(high, low + 0.02), _BINS + 1)
    shares = [np.histogram(np.clip(one, edges[0], edges[-1]), edges)[0] / len(one) for one in groups]
    most = max(float(one.max()) for one in shares) or 1.0
    step = _WIDTH / _BINS
    marks = [
        f'<rect class="bar" x="{index * step:.1f}" y="{_HEIGHT * (1 - share / most):.1f}" width="{step - 1:.1f}" '
        f'height="{_HEIGHT * share / most:.1f}"/>'
        for index, share in enumerate(shares[0])
    ]
    for other in shares[1:]:
        points = " ".join(
            f"{(index + side) * step:.1f},{_HEIGHT * (1 - share / most):.1f}"
            for index, share in enumerate(other)
            for side in (0, 1)
        )
        marks.append(f'<polyline class="known" points="{points}"/>')
    marks.append(f'<line class="axis" x1="0" x2="{_WIDTH}" y1="{_HEIGHT}" y2="{_HEIGHT}"/>')
    if threshold is not None:
        x = _WIDTH * (threshold - low) / (edges[-1] - low)
        marks.append(f'<line class="threshold" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{_HEIGHT}"/>')
    labels = "".join(
        f'<text x="{share * _WIDTH:.0f}" y="{_HEIGHT + 17}" text-anchor="{anchor}">'
        f"{low + share * (edges[-1] - low):.4g}</text>"
        for share, anchor in ((0, "start"), (0.5, "middle"), (1, "end"))
    )
    words = f"{title}. Bars: {len(values):,} images of this report"
    words += f"; line: {len(known):,} of the reference" if len(known) else ""
    words += "; dashed: the threshold" if threshold is not None else ""
    drawing = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT + 24}" role="img" aria-label="{_text(title)}">'
    caption = f"{words}. The outermost bars hold all beyond."
    return f"<figure>{drawing}{''.join(marks)}{labels}</svg><figcaption>{_text(caption)}</figcaption></figure>"


def _floats(values: "array[float]") -> Floats:
    return np.array(values, np.float64)


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    rows = (f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in pairs)
    return f'<table class="short">{"".join(rows)}</table>'


def _table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = (), *, wide: bool = False
) -> str:
    def line(kind: str, cells: Sequence[str]) -> str:
        kinds = [' class="number"' if place in numbers else "" for place in range(len(cells))]
        pairs = zip(kinds, cells, strict=True)
        return "<tr>" + "".join(f"<{kind}{of}><bdi>{_text(cell)}</bdi></{kind}>" for of, cell in pairs) + "</tr>"

    head, lines = line("th", heads), "".join(line("td", row) for row in rows)
    return f"<table{' class=wide' if wide else ''}><thead>{head}</thead><tbody>{lines}</tbody></table>"


def _text(text: str) -> str:
    return html.escape(escaped(text))
