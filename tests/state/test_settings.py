"""Settings survive a restart, edits by hand and older versions."""

from pathlib import Path

import pytest

from nvp_studio.state.settings import Settings, SettingsStore
from nvp_studio.training.config import TrainConfig

pytestmark = pytest.mark.usefixtures("qapp")


def test_every_kind_of_value_comes_back_with_its_type(tmp_path: Path) -> None:
    store = SettingsStore(tmp_path / "window.ini")
    store.values.theme = "dark"
    store.values.welcome_seen = False
    store.values.recent_models = ["/a b/ü.safetensors", "x,y;z=1"]
    store.values.splitters = {"explore": [700, 300]}
    store.values.train = TrainConfig(minutes=1.5, batch_size=32)
    store.save()

    assert SettingsStore(tmp_path / "window.ini").values == store.values


def test_reset_forgets_everything(tmp_path: Path) -> None:
    store = SettingsStore(tmp_path / "window.ini")
    store.values.welcome_seen = True
    store.save()
    store.reset()

    assert store.values == Settings()
    assert SettingsStore(tmp_path / "window.ini").values == Settings()


def test_a_value_that_no_longer_fits_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "window.ini"
    store = SettingsStore(path)
    store.values.theme = "dark"
    store.values.page = "score"
    store.save()
    text = path.read_text()
    assert "dark" in text
    path.write_text(text.replace('\\"dark\\"', "[1]").replace('"theme":"dark"', '"theme":[1]'))

    values = SettingsStore(path).values
    assert values.theme == Settings().theme
    assert values.page == "score"


@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff garbage", b"[window]\nsettings=not json", b"[window]\nsettings=[]"]
)
def test_a_damaged_file_gives_the_defaults(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "window.ini"
    path.write_bytes(content)

    assert SettingsStore(path).values == Settings()


def test_two_stores_do_not_share_their_defaults(tmp_path: Path) -> None:
    one, other = SettingsStore(tmp_path / "1.ini"), SettingsStore(tmp_path / "2.ini")
    one.values.folders["images"] = "/pictures"

    assert other.values.folders == {}
