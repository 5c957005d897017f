"""What a path given by a person may be, judged by its name and, for folders, by what a run leaves in it."""

from pathlib import Path

IMAGE_SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".ico")
)
DATA_SUFFIXES = (".npz", ".npy", ".bin", ".gz", ".tgz", ".idx", ".parquet")
"""Of files with many images to train on."""
MODEL_SUFFIX = ".safetensors"


def is_image_file(path: Path) -> bool:
    """Whether the name is that of an image file."""
    return path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()


def is_run_folder(path: Path) -> bool:
    """Whether the folder is a run's."""
    return (path / "run.json").is_file()


def is_model(path: Path) -> bool:
    """Whether Explore can open it as a model: a checkpoint file or a run folder."""
    return (path.suffix.lower() == MODEL_SUFFIX and path.is_file()) or is_run_folder(path)


def image_filter(title: str) -> str:
    """The filter of a file dialog for images, such as "Images (*.png *.jpg)"."""
    return f"{title} ({' '.join(f'*{suffix}' for suffix in sorted(IMAGE_SUFFIXES))})"
