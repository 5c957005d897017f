"""Which actions of a long menu are in submenus of it, so that every menu fits a small screen."""

from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import QCoreApplication

_tr = partial(QCoreApplication.translate, "MenuGroups")


@dataclass(frozen=True)
class MenuGroup:
    """One submenu."""

    title: str
    icon: str
    names: tuple[str, ...]
    """The keys of its actions without that of the menu; one that ends in a hyphen stands for all that begin so."""

    def holds(self, key: str) -> bool:
        """Whether the action `key`, such as ``explore.blend``, is in it."""
        name = key.partition(".")[2]
        return any(name == own or (own.endswith("-") and name.startswith(own)) for own in self.names)


def menu_groups(menu: str) -> tuple[MenuGroup, ...]:
    """The submenus of the menu `menu`, in their order; what is in none of them is above them."""
    if menu == "explore":
        directions = (
            *("randomize", "repeat-randomize", "reset", "new-direction", "direction-", "make-direction"),
            *("import-directions", "export-directions", "find-directions", "cancel-directions", "lock-direction"),
            *("previews", "sort-"),
        )
        return (
            MenuGroup(_tr("&Picture"), "image", ("original", "inspect", "zoom-", "larger")),
            MenuGroup(_tr("Sliders and &directions"), "sliders-horizontal", directions),
            MenuGroup(_tr("&Blend"), "blend", ("blend", "blend-")),
            MenuGroup(_tr("&Corners"), "grid-2x2", ("corners", "corners-")),
            MenuGroup(_tr("&Scales"), "layers", ("scales", "redraw-")),
            MenuGroup(_tr("&Typical set and density"), "gauge", ("length", "keep-length", "nudge-")),
            MenuGroup(_tr("P&aint"), "pencil", ("paint", "paint-")),
            MenuGroup(_tr("Nei&ghbours and map"), "images", ("neighbours", "neighbours-", "map")),
            MenuGroup(_tr("Tray and &history"), "undo-2", ("tray", "keep", "history")),
            MenuGroup(_tr("C&ompare"), "columns-2", ("compare", "compare-", "before")),
            MenuGroup(_tr("An&imate"), "film", ("animate", "animate-", "record")),
        )
    if menu == "lab":
        files = ("copy-python", "save-", "open-experiment")
        return (MenuGroup(_tr("Copy, save &and open"), "download", files),)
    return ()
