"""Where the files that ship with the program lie, in a checkout and in an installed wheel alike."""

from pathlib import Path

INCLUDED_MODELS = {"peeps": "Peeps", "fashion-mnist": "Fashion-MNIST"}
"""Name -> title of the trained models that ship with the program; the first is what opens first."""

_PACKAGE = Path(__file__).resolve().parent


def included_model(path: str) -> str:
    """The name of the included model whose file is at `path`; empty where it is another file."""
    name = Path(path).name.removesuffix(".safetensors")
    if name not in INCLUDED_MODELS:
        return ""
    return name if resource_path(f"models/{name}.safetensors") == Path(path).absolute() else ""


def resource_path(name: str) -> Path:
    """Return the path of the shipped file `name` (relative, such as ``"models/fashion-mnist.safetensors"``).

    Raises `FileNotFoundError` when the installation lacks it.
    """
    for folder in (_PACKAGE / "resources", _PACKAGE.parent / "resources"):
        if (folder / name).exists():
            return folder / name
    raise FileNotFoundError(f"the installation is incomplete: resources/{name} is missing; reinstall NVP Studio")
