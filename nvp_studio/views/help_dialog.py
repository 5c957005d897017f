"""The help of a page, behind F1."""

from collections.abc import Callable, Sequence
from html import escape

from PySide6.QtWidgets import QDialogButtonBox, QTextBrowser, QWidget

from nvp_studio.views.actions import ActionRegistry, keys_text, plain_text
from nvp_studio.views.dialogs import Dialog
from nvp_studio.views.figures_dialog import explanations, figures_html
from nvp_studio.views.page_help import PageHelp
from nvp_studio.views.theme import SPACE


class HelpDialog(Dialog):
    """What the page is for, how it is used, its keys, and what its figures mean."""

    def __init__(self, page: PageHelp, registry: ActionRegistry, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Help: {0}").format(page.title))
        self.resize(100 * SPACE, 70 * SPACE)
        self.text = QTextBrowser()
        self.text.document().setDocumentMargin(SPACE)
        self.text.setAccessibleName(self.windowTitle())
        self.text.setHtml(self._html(page, registry))
        self.column.addWidget(self.text)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        self.buttons.rejected.connect(self.reject)
        self.column.addWidget(self.buttons)

    def add_button(self, text: str, show: Callable[[], object]) -> None:
        """Add a button that closes this help and shows another."""
        button = self.buttons.addButton(text, QDialogButtonBox.ButtonRole.HelpRole)
        button.clicked.connect(self.reject)
        button.clicked.connect(show)

    def _html(self, page: PageHelp, registry: ActionRegistry) -> str:
        entries = [entry for entry in registry.entries() if entry.key.startswith(page.actions)]
        shortcuts = [
            (plain_text(entry.action), keys_text(entry.action)) for entry in entries if entry.action.shortcuts()
        ]
        figures = [figure for figure in explanations() if figure.key in page.figures]
        uses = "".join(f"<p><b>{escape(want)}.</b> {escape(way)}</p>" for want, way in page.uses)
        parts = [f"<h2>{escape(page.title)}</h2><p>{escape(page.purpose)}</p>{uses}"]
        if keys := (*page.keys, *shortcuts):
            parts.append(f"<h2>{escape(self.tr('Keys'))}</h2>{_table(keys)}")
        if figures:
            parts.append(f"<h2>{escape(self.tr('What the figures mean'))}</h2>{figures_html(figures)}")
        return "".join(parts)


def _table(rows: Sequence[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><td>{escape(what)}</td><td>{escape(keys)}</td></tr>" for what, keys in rows)
    return f'<table cellpadding="3" width="100%">{cells}</table>'
