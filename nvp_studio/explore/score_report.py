"""A report of scored images as one HTML file that needs no other: what the model is, counts, histograms, examples."""

import base64
import heapq
import html
import io
import platform
import time
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import PIL.Image
import torch

from nvp_studio import __version__
from nvp_studio.explore.model import OpenedModel
from nvp_studio.score_row import VERDICTS, ScoreRow
from nvp_studio.scores.measures import Floats, Images
from nvp_studio.scores.overlays import MapMaker
from nvp_studio.scores.reference import Reference
from nvp_studio.text import printable, shape_text

EXAMPLES = 12
"""Most images that are shown of each end."""
MAX_LABELS = 30
MAX_FAILED = 50
MAX_PICTURE_BYTES = 1_000_000
"""Instead of a map that takes more the image alone is shown, in a small size."""
_BINS = 40
_WIDTH, _HEIGHT = 640, 160

_EXPLANATION = (
    "A lower score is more likely under the model. It is neither a measure of quality nor of normality; the "
    "verdict says which images differ from the reference."
)
_STYLE = """
:root { color-scheme: light; } body { font: 15px/1.5 system-ui, sans-serif; color: #1b1b1f; background: #fff;
max-width: 62rem; margin: 2rem auto; padding: 0 1rem; } h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem;
margin-top: 2rem; } table { border-collapse: collapse; } th, td { text-align: left; vertical-align: top;
padding: .2rem 1.2rem .2rem 0; overflow-wrap: anywhere; } th { font-weight: 600; white-space: nowrap; }
tr { border-bottom: 1px solid #ddd; } figure { margin: 1rem 0; break-inside: avoid; } figure img { max-width: 100%;
image-rendering: pixelated; } figcaption { overflow-wrap: anywhere; } .note { color: #555; } svg { max-width: 100%; }
@page { margin: 15mm; } @media print { body { max-width: none; margin: 0; font-size: 10pt; }
* { print-color-adjust: exact; -webkit-print-color-adjust: exact; } h2 { break-after: avoid; }
tr { break-inside: avoid; } }
"""


class ScoreReport:
    """Takes rows one by one, and holds a number or two of each and a few images, however many there are."""

    def __init__(self, model: OpenedModel, reference: Reference | None, rate: float, seed: int = 0) -> None:
        self._model, self._reference, self._rate, self._seed = model, reference, rate, seed
        self._bits, self._distances = array("f"), array("f")
        self._verdicts: Counter[str] = Counter()
        self._labels: dict[str, Counter[str]] = {}
        self._more_labels = False
        self._failed: list[ScoreRow] = []
        self._failures = 0
        self._count = 0
        self._worst: list[tuple[float, int, ScoreRow]] = []
        self._best: list[tuple[float, int, ScoreRow]] = []

    def add(self, row: ScoreRow) -> None:
        """Take a row into account; its pixels are shown where it is among the examples."""
        if row.bits_per_dim is None:
            self._failures += 1
            if len(self._failed) < MAX_FAILED:
                self._failed.append(row)
            return
        self._count += 1
        self._bits.append(row.bits_per_dim)
        distance = None if row.numbers is None else row.numbers.distance
        if distance is not None:
            self._distances.append(distance)
        self._verdicts[row.verdict] += 1
        label = row.label_name or ("" if row.label is None else str(row.label))
        if label in self._labels or len(self._labels) < MAX_LABELS:
            self._labels.setdefault(label, Counter())[row.verdict] += 1
        else:
            self._more_labels = True
        rank = row.bits_per_dim if distance is None else distance
        for heap, value in ((self._worst, rank), (self._best, -rank)):
            entry = (value, -self._count, row)
            if len(heap) < EXAMPLES:
                heapq.heappush(heap, entry)
            else:
                heapq.heappushpop(heap, entry)

    def page(self) -> str:
        """The HTML file."""
        by = "bits/dim" if self._reference is None else "distance"
        body = [
            f"<h1>Scores of {self._count:,} images</h1>",
            f"<p class=note>{_text(time.strftime('%Y-%m-%d %H:%M'))}. {_EXPLANATION}</p>",
            "<h2>Model</h2>",
            _table(self._card()),
            "<h2>Result</h2>",
            _table(self._result()),
            *self._histograms(),
            *self._by_label(),
            *self._examples(f"Most unusual, by {by}" if self._reference else "Highest bits/dim", self._worst),
            *self._examples(f"Least unusual, by {by}" if self._reference else "Lowest bits/dim", self._best),
            *self._failed_files(),
            "<h2>Versions</h2>",
            _table(
                [
                    ("NVP Studio", __version__),
                    ("PyTorch", torch.__version__),
                    ("Python", platform.python_version()),
                    ("system", platform.platform()),
                ]
            ),
        ]
        head = f"<meta charset=utf-8><title>Scores</title><style>{_STYLE}</style>"
        return f"<!doctype html><html lang=en><head>{head}</head><body>{''.join(body)}</body></html>\n"

    def _card(self) -> list[tuple[str, object]]:
        info = self._model.info
        return [
            ("file", self._model.path),
            ("digest", self._model.digest),
            ("name", info.name),
            ("trained on", info.data.title),
            ("images", shape_text(*self._model.image_shape)),
            ("preset", info.preset),
            ("steps", f"{info.step:,} (seed {info.seed})"),
            ("validation", None if info.validation is None else f"{info.validation:.4f} bits/dim"),
            ("test", None if info.test is None else f"{info.test:.4f} bits/dim"),
        ]

    def _result(self) -> list[tuple[str, object]]:
        bits = np.frombuffer(self._bits, np.float32) if self._count else np.zeros(0, np.float32)
        rows: list[tuple[str, object]] = [("scored", f"{self._count:,}"), ("could not be read", f"{self._failures:,}")]
        if self._count:
            low, middle, high = np.percentile(bits, [5, 50, 95])
            rows.append(("bits/dim", f"median {middle:.4f}, 5 % below {low:.4f}, 5 % above {high:.4f}"))
        if self._reference is not None:
            judge = self._reference.judge
            rows += [
                (name, f"{self._verdicts[name]:,} ({self._verdicts[name] / max(self._count, 1):.2%})")
                for name in VERDICTS
            ]
            rows += [
                ("reference", f"{self._reference.name}: {self._reference.images:,} images of {self._reference.source}"),
                ("false-alarm rate", f"{max(self._rate, judge.least_rate):.2%} of images like the reference's"),
                ("threshold", f"unusual above a distance of {self._threshold():.4g}"),
            ]
        return rows

    def _threshold(self) -> float:
        """The distance above which images are unusual."""
        assert self._reference is not None
        judge = self._reference.judge
        fewer = int(max(self._rate, judge.least_rate) * (len(judge.calibration) + 1) * (1 + 1e-12))
        return float(judge.calibration[max(0, len(judge.calibration) - max(fewer - 1, 0) - 1)])

    def _histograms(self) -> list[str]:
        if not self._count:
            return []
        judge = None if self._reference is None else self._reference.judge
        bits = np.frombuffer(self._bits, np.float32).astype(np.float64)
        parts = [_histogram("Bits/dim", bits, None if judge is None else judge.bits_per_dim, None)]
        if judge is not None and len(self._distances):
            distances = np.frombuffer(self._distances, np.float32).astype(np.float64)
            parts.append(_histogram("Distance", distances, judge.calibration, self._threshold()))
        return ["<h2>Histograms</h2>", *parts]

    def _by_label(self) -> list[str]:
        if self._reference is None or not any(self._labels):
            return []
        lines = [
            "".join(f"<td>{_text(cell)}</td>" for cell in (label or "none", *(counts[name] for name in VERDICTS)))
            for label, counts in sorted(self._labels.items())
        ]
        heading = "".join(f"<th>{_text(name)}</th>" for name in ("label", *VERDICTS))
        more = f"<p class=note>Only the first {MAX_LABELS} labels.</p>" if self._more_labels else ""
        rows = "".join(f"<tr>{line}</tr>" for line in lines)
        return ["<h2>Labels</h2>", f"<table><tr>{heading}</tr>{rows}</table>{more}"]

    def _examples(self, title: str, heap: list[tuple[float, int, ScoreRow]]) -> list[str]:
        rows = [row for _, _, row in sorted(heap, reverse=True)]
        if not rows:
            return []
        note = "The image; its bits, outlined beyond 99 % of the reference; those of each scale; the gradient."
        return [
            f"<h2>{_text(title)}</h2>",
            f"<p class=note>{note if self._reference else 'The images as they were scored.'}</p>",
            *(self._figure(row) for row in rows),
        ]

    def _figure(self, row: ScoreRow) -> str:
        p_value = "" if row.p_value is None else f", {row.verdict}, p {row.p_value:.3g}"
        reasons = f": {'; '.join(row.reasons)}" if row.reasons else ""
        picture = ""
        if row.pixels is not None:
            content = base64.b64encode(self._picture(row.pixels.array())).decode()
            picture = f"<img alt='' src='data:image/png;base64,{content}'>"
        caption = f"<b>{_text(row.path)}</b><br>{row.bits_per_dim:.4f} bits/dim{_text(p_value + reasons)}"
        return f"<figure>{picture}<figcaption>{caption}</figcaption></figure>"

    def _picture(self, images: Images) -> bytes:
        """The map of one image (1, H, W, C), or without a reference the image, as PNG."""
        if self._reference is not None:
            content = MapMaker(self._model.flow, self._reference.maps).pictures(images, self._seed)[0]
            if len(content) <= MAX_PICTURE_BYTES:
                return content
        image = images[0, :, :, 0] if images.shape[3] == 1 else images[0]
        part = max(1, 128 // max(image.shape[:2]))
        picture = PIL.Image.fromarray(image.repeat(part, 0).repeat(part, 1))
        picture.thumbnail((256, 256))
        return _png(picture)

    def _failed_files(self) -> list[str]:
        if not self._failures:
            return []
        more = self._failures - len(self._failed)
        note = f"<p class=note>and {more:,} more</p>" if more else ""
        return ["<h2>Could not be read</h2>", _table([(row.path, row.error) for row in self._failed], wide=True), note]


def _histogram(title: str, values: Floats, known: Floats | None, threshold: float | None) -> str:
    """Bars of the values, and as a line the reference's, each as a share of its own number."""
    both = values if known is None else np.concatenate([values, known])
    low, high = np.percentile(both, [0.1, 99.9]) if len(both) > 1 else (both[0], both[0])
    if threshold is not None:
        high = max(high, 1.1 * threshold)
    edges = np.linspace(low, max(high, low + 1e-6), _BINS + 1)
    shares = [_shares(one, edges) for one in ([values] if known is None else [values, known])]
    most = max(float(one.max()) for one in shares) or 1.0
    step = _WIDTH / _BINS
    marks = [
        f"<rect x='{index * step:.1f}' y='{_HEIGHT * (1 - share / most):.1f}' width='{step - 1:.1f}' "
        f"height='{_HEIGHT * share / most:.1f}' fill='#7aa6d8'/>"
        for index, share in enumerate(shares[0])
    ]
    for other in shares[1:]:
        points = [
            f"{(index + side) * step:.1f},{_HEIGHT * (1 - share / most):.1f}"
            for index, share in enumerate(other)
            for side in (0, 1)
        ]
        marks.append(f"<polyline points='{' '.join(points)}' fill='none' stroke='#333' stroke-width='1.5'/>")
    if threshold is not None:
        x = _WIDTH * (threshold - low) / (edges[-1] - low)
        marks.append(f"<line x1='{x:.1f}' x2='{x:.1f}' y1='0' y2='{_HEIGHT}' stroke='#b00020' stroke-dasharray='4 3'/>")
    labels = "".join(
        f"<text x='{share * _WIDTH:.0f}' y='{_HEIGHT + 18}' font-size='12' text-anchor='{anchor}'>"
        f"{low + share * (edges[-1] - low):.4g}</text>"
        for share, anchor in ((0, "start"), (0.5, "middle"), (1, "end"))
    )
    words = "bars: these images" + ("" if known is None else "; line: the reference")
    words += "" if threshold is None else "; dashed: the threshold"
    drawing = f"<svg viewBox='0 0 {_WIDTH} {_HEIGHT + 24}' width='{_WIDTH}' role='img'>{''.join(marks)}{labels}</svg>"
    caption = f"{title}; {words}; the outermost bars hold all beyond"
    return f"<figure>{drawing}<figcaption>{_text(caption)}</figcaption></figure>"


def _shares(values: Floats, edges: Floats) -> Floats:
    counts = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0]
    shares: Floats = counts / max(len(values), 1)
    return shares


def _png(picture: PIL.Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _table(rows: Iterable[Sequence[object]], *, wide: bool = False) -> str:
    kind = "td" if wide else "th"
    lines = [
        f"<tr><{kind}>{_text(name)}</{kind}><td>{_text(value)}</td></tr>"
        for name, value in rows
        if value not in (None, "")
    ]
    return f"<table>{''.join(lines)}</table>"


def _text(value: object) -> str:
    return html.escape(printable(str(value)))
