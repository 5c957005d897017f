"""What the window remembers between two starts: one typed structure, kept as JSON text in an INI file."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import platformdirs
from PySide6.QtCore import QSettings

from nvp_studio.state.score_options import ScoreOptions
from nvp_studio.training.config import TrainConfig

_KEY = "window/settings"


class Settings(msgspec.Struct, kw_only=True):
    """Everything remembered. Fields may be added; a field that no longer fits falls back to its default."""

    theme: str = "system"
    """``light``, ``dark`` or ``system``."""
    page: str = "explore"
    geometry: str = ""
    """`QWidget.saveGeometry` as base64, likewise `dock_layout` from `QMainWindow.saveState`."""
    dock_layout: str = ""
    welcome_seen: bool = False
    lesson: str = ""
    """The step of the lessons that was looked at last."""
    lessons_done: list[str] = []
    """Steps whose thing was done."""
    device: str = "auto"
    model_path: str = ""
    """The model that was open; empty: the included one."""
    recent_models: list[str] = []
    recipe: str = ""
    """The picture on Explore, as `Recipe.to_json`."""
    explore_history: bool = False
    """Whether Explore shows the strip of its history."""
    folders: dict[str, str] = {}
    """The folder each file dialog was left in, by the dialog's name."""
    splitters: dict[str, list[int]] = {}
    """Sizes of each splitter, by its object name."""
    runs_folder: str = ""
    """Where runs are kept; empty: the default place."""
    remote_host: str = ""
    """Where runs are trained, as ssh takes it; empty: here."""
    remote_command: str = ""
    """What starts the engine there; empty: the default."""
    recent_data: list[str] = []
    """Paths of data that were trained on or looked at, the newest first."""
    unfinished_run: str = ""
    """Folder of a run that was under way when the window, or the machine, went down."""
    train: TrainConfig | None = None
    """The form of the Train page."""
    train_advanced: bool = False
    """Whether the form's advanced part is unfolded."""
    score_columns: list[int] = []
    score_rate: float = 0.01
    """The false-alarm rate of verdicts."""
    score_options: ScoreOptions = ScoreOptions()
    score_gallery: bool = False
    score_all_columns: bool = False
    score_watched: list[str] = []
    """Folders that were watched when the program ended."""
    """Whether Score shows its files as thumbnails."""


def settings_path() -> Path:
    """The INI file; the environment variable NVP_STUDIO_SETTINGS overrides it."""
    override = os.environ.get("NVP_STUDIO_SETTINGS")
    return Path(override) if override else platformdirs.user_config_path("nvp-studio") / "window.ini"


class SettingsStore:
    """The settings in `values`, read at construction. Change a field of `values`, then call `save`."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or settings_path()
        self._file = QSettings(str(self.path), QSettings.Format.IniFormat)
        self.values = _decode(str(self._file.value(_KEY, "") or ""))

    def save(self) -> None:
        """Write the values; where the disk refuses they are lost at the end, and nothing else fails."""
        self._file.setValue(_KEY, msgspec.json.encode(self.values).decode())
        self._file.sync()

    def reset(self) -> None:
        """Forget everything."""
        self.values = Settings()
        self._file.clear()
        self._file.sync()


def _decode(text: str) -> Settings:
    """Settings from JSON, field by field, so that one that no longer fits does not cost the others."""
    try:
        raw: Any = msgspec.json.decode(text) if text else {}
    except msgspec.DecodeError:
        return Settings()
    if not isinstance(raw, dict):
        return Settings()
    values = Settings()
    for field in msgspec.structs.fields(Settings):
        with suppress(KeyError, ValueError):  # of msgspec too
            setattr(values, field.name, msgspec.convert(raw[field.name], field.type))
    return values
