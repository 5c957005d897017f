"""About the program: versions, device and folders, to be copied into a report; licences and credits."""

import platform
from collections.abc import Sequence
from html import escape
from importlib.metadata import PackageNotFoundError, version

import PySide6
from PySide6.QtCore import qVersion
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QDialogButtonBox, QTextBrowser, QWidget

import nvp_studio
from nvp_studio.data.places import cache_folder
from nvp_studio.state.fetch import models_folder
from nvp_studio.text import escaped_lines
from nvp_studio.views.context import WindowContext
from nvp_studio.views.dialogs import Dialog
from nvp_studio.views.theme import SPACE

_PACKAGES = ("numpy", "pillow", "msgspec", "pyqtgraph")


class AboutDialog(Dialog):
    """Shows `facts` and the credits; a button copies the facts."""

    def __init__(self, context: WindowContext, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("About NVP Studio"))
        self.resize(76 * SPACE, 60 * SPACE)
        self._facts = self._known(context)
        self.text = QTextBrowser()
        self.text.document().setDocumentMargin(SPACE)
        self.text.setAccessibleName(self.windowTitle())
        self.text.setHtml(self._html())
        self.column.addWidget(self.text)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        self.copy = buttons.addButton(self.tr("Copy versions"), QDialogButtonBox.ButtonRole.ActionRole)
        self.copy.clicked.connect(self._copy)
        self.column.addWidget(buttons)

    def facts_text(self) -> str:
        """Versions, device and folders, a line for each."""
        return "\n".join(f"{name}: {value}" for name, value in self._facts)

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.facts_text())
        self.copy.setText(self.tr("Copied"))

    def _known(self, context: WindowContext) -> list[tuple[str, str]]:
        welcome = context.engine.explorer.welcome
        torch, device = context.engine.status, context.engine.status
        if welcome is not None:
            torch = welcome.torch_version
            device = self.tr("{0}, threads: {1}").format(welcome.device_name, welcome.threads)
        model = context.engine.model
        return [
            ("NVP Studio", nvp_studio.__version__),
            ("Python", f"{platform.python_version()} ({platform.python_implementation()})"),
            ("PySide6", f"{PySide6.__version__}, Qt {qVersion()} ({QGuiApplication.platformName()})"),
            ("PyTorch", torch),
            (self.tr("Device"), device),
            *((name, _version(name)) for name in _PACKAGES),
            (self.tr("System"), platform.platform()),
            (self.tr("Model"), f"{model.path}, SHA-256 {model.digest}" if model is not None else "\u2013"),
            (self.tr("Settings"), str(context.settings.path)),
            (self.tr("Runs"), str(context.runs_folder)),
            (self.tr("Copied models"), str(models_folder())),
            (self.tr("Prepared data"), str(cache_folder())),
        ]

    def _html(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{escape(escaped_lines(value))}</td></tr>" for name, value in self._facts
        )
        credits = (
            self.tr(
                "Method: Dinh, Sohl-Dickstein and Bengio, “Density estimation using Real NVP”, 2017. "
                "Icons: Lucide, ISC licence. Built with PyTorch, Qt for Python and pyqtgraph. MIT licence."
            ),
            *(self.tr("Images: {0}").format(text) for text in _included_data()),
        )
        about = self.tr("Trains RealNVP normalizing flows on images and explores what they learnt.")
        return f"<h2>NVP Studio</h2><p>{escape(about)}</p>{_table(rows)}{_paragraphs(credits)}"


def _table(rows: str) -> str:
    return f'<table cellpadding="3">{rows}</table>'


def _paragraphs(texts: Sequence[str]) -> str:
    return "".join(f"<p>{escape(text)}</p>" for text in texts)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "\u2013"


def _included_data() -> list[str]:
    """Title, licence and credit of each data set that ships with the program."""
    from nvp_studio.data.catalogue import CATALOGUE  # not at the top: it imports numpy, which takes long

    return [f"{entry.title}, {entry.licence}. {entry.credit}" for entry in CATALOGUE.values() if entry.ships]
