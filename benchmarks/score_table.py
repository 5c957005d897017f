"""How fast the table of scores is with many rows, and how much memory it takes.

python -m benchmarks.score_table                 # 100 000 rows of 28x28 grey images
python -m benchmarks.score_table --rows 1000000
"""

import argparse
import math
import os
import time

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import psutil
from PySide6.QtWidgets import QApplication

from nvp_studio.image_batch import ImageBatch
from nvp_studio.score_row import ScoreNumbers, ScoreRow
from nvp_studio.state.score_filter import ScoreFilter
from nvp_studio.state.scores import ScoresModel

BATCH = 64


def made_up_row(number: int, rows: int) -> ScoreRow:
    """A row with everything that the engine sends."""
    numbers = ScoreNumbers(
        nats=1.5 * number,
        ideal_bytes=0.1 * number,
        png_bytes=number,
        webp_bytes=number,
        complexity=0.01 * number,
        log_det=0.5 * number,
        typicality=0.1,
        distance=0.2 * number,
        statistics_distance=1.5 * number,
        coarse_distance=0.3 * number,
        shape=0.7 * number,
        turned=-0.1 * number,
        squares=(1.0, 0.9, 1.1),
        norm_p=(0.1, 0.2, 0.3),
        kurtosis=(3.0, 3.1, 3.2),
    )
    p_value = ((7919 * number) % 100_000 + 1) / 100_001
    return ScoreRow(
        path=f"/data/folder{number % 20}/{(7919 * number) % rows:07d}.png",
        bits_per_dim=(number % 977) / 100,
        percentile=float(number % 100),
        label_name=f"folder{number % 20}",
        p_value=p_value,
        verdict="typical",
        log_tail=math.log(p_value),
        causes=(("texture the model has not seen", 2.0),),
        numbers=numbers,
        pixels=ImageBatch((1, 28, 28, 1), bytes(28 * 28)),
    )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    app = QApplication([])
    process = psutil.Process()
    model, before = ScoresModel(), process.memory_info().rss
    whole = longest = 0.0
    for start in range(0, rows, BATCH):
        batch = [made_up_row(number, rows) for number in range(start, min(rows, start + BATCH))]
        began = time.perf_counter()
        model.add(batch)
        whole += time.perf_counter() - began
        longest = max(longest, time.perf_counter() - began)
        app.processEvents()
    memory = (process.memory_info().rss - before) / 2**20
    print(
        f"{rows} rows added in {whole:.2f} s, a batch of {BATCH} in {1000 * longest:.0f} ms at most; {memory:.0f} MiB"
    )
    for column in ("score", "name", "label", "verdict", "notes"):
        began = time.perf_counter()
        model.sort(model.COLUMNS.index(column))
        print(f"sorted by {column}: {1000 * (time.perf_counter() - began):.0f} ms")
    filters = {
        "verdict": ScoreFilter(verdict="not typical"),
        "name": ScoreFilter(text="123"),
        "label": ScoreFilter(label="folder3"),
        "percentile": ScoreFilter(lowest=95.0),
    }
    for name, wanted in filters.items():
        began = time.perf_counter()
        model.show_only(wanted)
        print(f"filtered by {name}: {1000 * (time.perf_counter() - began):.0f} ms, {model.rowCount()} shown")
    model.show_only(ScoreFilter())
    began = time.perf_counter()
    model.judge_at(0.05)
    print(f"judged at another rate: {1000 * (time.perf_counter() - began):.1f} ms")
    began = time.perf_counter()
    for row in range(30):
        for column in range(1, model.columnCount()):
            model.index(row, column).data()
    print(f"texts of 30 rows: {1000 * (time.perf_counter() - began):.1f} ms")


if __name__ == "__main__":
    main()
