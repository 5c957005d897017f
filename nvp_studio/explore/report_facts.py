"""What a report of scores needs of the model: facts, and pictures of the images that it shows."""

import io
import platform
from collections.abc import Callable

import PIL.Image
import torch

from nvp_studio.explore.model import OpenedModel
from nvp_studio.scores.measures import Images
from nvp_studio.scores.overlays import MapMaker
from nvp_studio.scores.reference import Reference
from nvp_studio.scores.report import Pairs, ReportFacts
from nvp_studio.text import shape_text

MAX_PICTURE_BYTES = 1_000_000
"""Instead of a map that takes more the image alone is shown, in a small size."""


def report_facts(model: OpenedModel, reference: Reference | None) -> ReportFacts:
    """What a report says of the model and of what verdicts compare with."""
    info, bits = model.info, model.reference
    distances: tuple[float, ...] = ()
    compared: Pairs = ()
    if reference is not None:
        bits, distances = reference.judge.bits_per_dim, tuple(reference.judge.calibration.tolist())
        compared = (
            ("reference", f"{reference.name}: {reference.images:,} images of {reference.source}"),
            ("calibration images", f"{len(distances):,}"),
            ("made", reference.created.replace("T", " ")),
        )
    card = (
        ("name", info.name),
        ("file", model.path),
        ("SHA-256", model.digest),
        ("trained on", info.data.title),
        ("images", shape_text(*model.image_shape)),
        ("flow", f"{info.preset or 'custom'}, {model.parameters:,} parameters"),
        ("steps", f"{info.step:,} (seed {info.seed})"),
        ("validation", "" if info.validation is None else f"{info.validation:.4f} bits/dim"),
        ("test", "" if info.test is None else f"{info.test:.4f} bits/dim"),
    )
    return ReportFacts(
        name=info.name,
        card=_filled(card),
        reference=_filled(compared),
        bits=tuple(bits.tolist()),
        distances=distances,
        gradients=model.flow.config.has_gradients,
        versions=(("PyTorch", str(torch.__version__)), ("Python", platform.python_version())),
    )


def report_picture(model: OpenedModel, reference: Reference | None, seed: int = 0) -> Callable[[Images], bytes]:
    """What makes a PNG file of one image (1, H, W, C): with its maps, or without a reference the image alone."""
    maker = None if reference is None else MapMaker(model.flow, reference.maps)

    def picture(images: Images) -> bytes:
        if maker is not None:
            content = maker.pictures(images, seed)[0]
            if len(content) <= MAX_PICTURE_BYTES:
                return content
        image = images[0, :, :, 0] if images.shape[3] == 1 else images[0]
        part = max(1, 128 // max(image.shape[:2]))
        small = PIL.Image.fromarray(image.repeat(part, 0).repeat(part, 1))
        small.thumbnail((256, 256))
        file = io.BytesIO()
        small.save(file, "PNG")
        return file.getvalue()

    return picture


def _filled(pairs: Pairs) -> Pairs:
    return tuple((name, value) for name, value in pairs if value)
