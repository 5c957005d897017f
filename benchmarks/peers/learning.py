"""Bits/dim after equal processor time.

Every model gets so many minutes of the processor time of this process with one thread, from before it is built to its
last step, and is then scored on the same test images with the same noise by its own density. Rates are tried in short
runs with a cosine of their own: the recommended one, and a third and three times of it; while the best lies at the
edge, one more beyond it. The best by validation images is trained. NVP Studio has its default rate alone. With
`--logit` the libraries' flows see the logits of pixels, as NVP Studio's does: how much of a difference that makes.

Batches of the other libraries have 32 images rather than the 100 to 1024 that are recommended for GPUs and long runs,
with which five minutes are a few dozen to a few hundred steps; `--batch` sets another size.

Each finished run is a line of the results; what is there is not trained again, so a call that was interrupted goes on.
"""

import argparse
import json
import math
import statistics
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.peers.learners import LOGIT, bits_per_dim, context, learner
from benchmarks.peers.models import PEERS, STUDIO
from nvp_studio.data.dataset import DataSet

PEERS_BATCH = 32
STEP = 10**0.5
"""Factor between rates that are tried; three of them span a decade."""
FURTHER = 2
"""How often a rate beyond the edge is tried."""

Key = tuple[Any, ...]


class Results:
    """The rows of a file of JSON lines, to which each new one is appended at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self.rows: list[dict[str, Any]] = [json.loads(line) for line in lines]

    def add(self, row: dict[str, Any]) -> None:
        """Write `row`, with machine, versions, date and command."""
        row = {**row, **context()}
        self.rows.append(row)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps({key: value for key, value in row.items() if key not in ("versions", "machine", "command")}))

    def learnt(self, key: Key) -> dict[str, Any] | None:
        """The run of this model, data, rate, minutes and batch."""
        return next((row for row in self.rows if row["measure"] == "learn" and key_of(row) == key), None)


def key_of(row: dict[str, Any]) -> Key:
    """What makes a run the same run."""
    return row["model"], row["data"], row["rate"], row["minutes"], row["batch"]


def train(
    name: str, data: DataSet, minutes: float, rate: float | None, batch: int | None, count: int
) -> dict[str, Any]:
    """Train one model for so many minutes of processor time; its row of the results."""
    began = time.process_time()
    ours = learner(name, data.train.images, rate, batch, PEERS_BATCH)
    losses: list[float] = []
    while (fraction := (time.process_time() - began) / (60 * minutes)) < 1 or not losses:
        losses.append(ours.step(min(1.0, fraction)))
    seconds = time.process_time() - began
    model, test = ours.model(), data.test if data.test is not None else data.validation
    return {
        "measure": "learn",
        "model": name,
        "data": data.name,
        "rate": ours.rate,
        "minutes": minutes,
        "batch": ours.batch,
        "steps": len(losses),
        "images": len(losses) * ours.batch,
        "seconds": round(seconds, 1),
        "parameters": ours.parameters,
        "train": round(statistics.fmean(losses[-50:]), 4),
        "validation": round(bits_per_dim(model, data.validation.images[: count // 2]), 4),
        "test": round(bits_per_dim(model, test.images[:count]), 4),
    }


def best_rate(name: str, data: DataSet, options: argparse.Namespace, results: Results) -> float | None:
    """The learning rate with the best validation after a short run; None for NVP Studio's default."""
    if name == STUDIO:
        return None
    batch, minutes = options.batch or PEERS_BATCH, options.trial_seconds / 60
    recommended = PEERS[name.removesuffix(LOGIT)].rate
    lowest, highest = -1, 1  # powers of STEP
    while True:
        found: dict[int, float] = {}
        for power in range(lowest, highest + 1):
            rate = round(recommended * STEP**power, 7)
            row = results.learnt((name, data.name, rate, minutes, batch))
            if row is None:
                row = train(name, data, minutes, rate, batch, options.images)
                results.add(row)
            found[power] = row["validation"] if math.isfinite(row["validation"]) else math.inf
        best = min(found, key=found.__getitem__)
        if lowest < best < highest or highest - lowest == 2 + FURTHER:
            return round(recommended * STEP**best, 7)
        lowest, highest = (lowest - 1, highest) if best == lowest else (lowest, highest + 1)


def learn(names: list[str], data: DataSet, options: argparse.Namespace, results: Results) -> None:
    """Train what is missing of `names`."""
    torch.set_num_threads(1)
    for name in names:
        name += LOGIT if options.logit and name != STUDIO else ""
        rate = options.rate or best_rate(name, data, options, results)
        for minutes in options.minutes:
            done = [
                row
                for row in results.rows
                if row["measure"] == "learn"
                and (row["model"], row["data"], row["minutes"]) == (name, data.name, minutes)
                and (rate is None or row["rate"] == rate)
                and (options.batch or row["batch"]) == row["batch"]
            ]
            if not done:
                results.add(train(name, data, minutes, rate, options.batch, options.images))
