"""Many images in two dimensions: those that are alike, by their latents or pixels, lie near each other."""

import io
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

import nvp_studio
from nvp_studio.data.dataset import Images
from nvp_studio.explore.known_images import KnownImages, encoding, known_images
from nvp_studio.explore.model import OpenedModel
from nvp_studio.explore.neighbours import Step
from nvp_studio.recipe import Space

Method = Literal["pca", "umap"]
Places = npt.NDArray[np.float32]

COUNT = 2000
"""Images of a map without another wish."""
MAX_COUNT = 10_000
THUMBNAIL = 48
"""Longest side of a map's images, in pixels."""
_COMPONENTS_FOR_UMAP = 50
_OVERSAMPLING = 6
_ITERATIONS = 24
_BLOCK_VALUES = 2**20
"""Values that are multiplied in one step."""
_BATCH = 256
_LOOK_SECONDS = 0.004
"""How often a step looks whether UMAP has ended; others are served between."""
_UMAP_CODE = """
import sys
sys.path.append(sys.argv[1])  # last: the package is found without, where it is installed
from nvp_studio.explore.umap_process import main
main()
"""


@dataclass(frozen=True)
class ImageMap:
    """Images with their places."""

    method: Method
    space: Space
    numbers: npt.NDArray[np.int64]
    """(N,): which of the training images they are, from 0."""
    places: Places
    """(N, 2): to the right and upwards. Of PCA, in the unit of the values: grey levels, or standard deviations of the
    prior; of UMAP without a unit."""
    thumbnails: Images
    """(N, h, w, C), the images, smaller where they are larger than `THUMBNAIL`."""
    shares: tuple[float, ...]
    """Fractions of the variance along the two axes of PCA; empty for UMAP."""


def make_image_map(
    model: OpenedModel,
    data: str | KnownImages = "",
    space: Space = "z",
    method: Method = "pca",
    count: int = COUNT,
) -> ImageMap:
    """Lay out `count` training images by the first two principal components ("pca"), or by UMAP ("umap").

    `data` is as for `find_neighbours`. UMAP (McInnes et al. 2018) gets the first 50 principal components and needs the
    package umap-learn. Raises `ValueError` where the data cannot be had, or UMAP cannot be computed.
    """
    known = known_images(model, data) if isinstance(data, str) else data
    steps = mapping(model, known, space, method, count)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            made: ImageMap = end.value
            return made


def mapping(
    model: OpenedModel, known: KnownImages, space: Space = "z", method: Method = "pca", count: int = COUNT
) -> Generator[Step, None, ImageMap]:
    """As `make_image_map`, in short steps: yields after each what is done, and returns the map."""
    if method == "umap":
        require_umap()
    numbers = known.order[: min(count, MAX_COUNT)]
    if len(numbers) < 3:
        raise ValueError(f"a map needs at least 3 images; {known.title} has {len(numbers)}")
    thumbnails = yield from _thumbnails(known, numbers)
    if space == "z":
        for done, total in encoding(model, known, len(numbers)):
            yield "encoding", done, total
        values = torch.from_numpy(np.array(known.latents.rows(0, len(numbers)))).float()
    else:
        values = torch.from_numpy(np.ascontiguousarray(known.train[numbers])).flatten(1).float()
    wanted = 2 if method == "pca" else _COMPONENTS_FOR_UMAP
    places, shares = yield from principal_places(values, wanted)
    if method == "umap":
        places, shares = (yield from _umap(places)), ()
    return ImageMap(method, space, numbers, places[:, :2].copy(), thumbnails, shares[:2])


def principal_places(values: Tensor, count: int) -> Generator[Step, None, tuple[Places, tuple[float, ...]]]:
    """The first `count` principal components of values (N, D), at most N - 1 and D: (N, count), and their shares.

    Subspace iteration from a fixed start; an axis points to where its largest entry is positive.
    """
    centred = values - values.mean(0)
    count = min(count, len(values) - 1, values.shape[1])
    width = min(count + _OVERSAMPLING, min(values.shape))
    generator = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(values.shape[1], width, generator=generator))[0]
    rows = max(1, _BLOCK_VALUES // values.shape[1])
    for step in range(_ITERATIONS):
        product = torch.zeros_like(basis)
        for block in torch.split(centred, rows):
            product += block.T @ (block @ basis)
            yield "projecting", step, _ITERATIONS
        basis = torch.linalg.qr(product)[0]
    projected = centred @ basis
    squares, rotation = torch.linalg.eigh(projected.T @ projected)
    axes = basis @ rotation.flip(1)[:, :count]
    signs = axes.gather(0, axes.abs().argmax(0, keepdim=True)).sign()
    places = (centred @ (axes * signs)).numpy()
    whole = max(float(centred.square().sum()), 1e-12)
    return places, tuple((squares.flip(0)[:count] / whole).tolist())


def require_umap() -> None:
    """Raise `ValueError` where the package umap-learn is not installed."""
    if find_spec("umap") is None:
        raise ValueError(
            "UMAP needs umap-learn, which is not installed: pip install 'nvp-studio[map]'; PCA works without it"
        )


def _thumbnails(known: KnownImages, numbers: npt.NDArray[np.int64]) -> Generator[Step, None, Images]:
    """The images, their sides divided by the same number, by means of pixels, where they are too large."""
    height, width = known.train.shape[1:3]
    factor = min(-(-max(height, width) // THUMBNAIL), height, width)
    parts = []
    for start in range(0, len(numbers), _BATCH):
        images = np.ascontiguousarray(known.train[numbers[start : start + _BATCH]])
        if factor > 1:
            images = images[:, : height // factor * factor, : width // factor * factor]
            cells = images.reshape(len(images), height // factor, factor, width // factor, factor, -1)
            images = cells.mean((2, 4)).round().astype(np.uint8)
        parts.append(images)
        yield "loading", start, len(numbers)
    return np.concatenate(parts)


def _umap(places: Places) -> Generator[Step, None, Places]:
    """Two dimensions of `places` (N, K) by UMAP, in a process of its own: it cannot be interrupted and takes long."""
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(places, np.float32))
    here = str(Path(nvp_studio.__file__).resolve().parents[1])
    pipe = subprocess.PIPE
    command = [sys.executable, "-P", "-c", _UMAP_CODE, here]
    answers: list[tuple[bytes, bytes]] = []
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        talk = threading.Thread(target=lambda: answers.append(process.communicate(file.getvalue())), daemon=True)
        talk.start()
        try:
            began = time.monotonic()
            while talk.is_alive():
                talk.join(_LOOK_SECONDS)
                yield "arranging", int(time.monotonic() - began), 0
        finally:
            process.kill()
            talk.join()
    out, complaint = answers[0] if answers else (b"", b"")
    if process.returncode != 0:
        lines = [line for line in complaint.decode("utf-8", "replace").splitlines() if line.strip()]
        raise ValueError(f"UMAP failed: {lines[-1] if lines else 'its process ended'}")
    found = np.load(io.BytesIO(out), allow_pickle=False)
    if found.shape != (len(places), 2) or not np.isfinite(found).all():
        raise ValueError("UMAP failed: it gave no places for the images")
    result: Places = found.astype(np.float32)
    return result
