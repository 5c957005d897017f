"""The dialog that chooses the machine that runs are trained on."""

from PySide6.QtWidgets import QLineEdit, QWidget

from nvp_studio.state.remote import DEFAULT_COMMAND, remote_program
from nvp_studio.views.dialogs import Dialog
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.layout import form_layout, text_label


class RemoteDialog(Dialog):
    """Asks for a host of ssh and the command there; an empty host is this machine."""

    def __init__(self, host: str, command: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Run on another machine"))
        self._host = QLineEdit(host)
        self._host.setPlaceholderText(self.tr("this machine"))
        self._command = QLineEdit(command or DEFAULT_COMMAND)
        text = text_label(
            self.tr(
                "Runs are trained on this host over ssh, by the NVP Studio installed there, and stored in its runs "
                "folder. Paths of data are paths on that host. The connection must not ask for a password."
            ),
            wrap=True,
        )
        text.setMinimumWidth(52 * SPACE)
        self._problem = text_label(role="error", wrap=True)
        self.column.addWidget(text)
        fields = ((self.tr("&Host"), self._host, ""), (self.tr("&Command there"), self._command, ""))
        self.column.addLayout(form_layout(fields))
        self.column.addWidget(self._problem)
        self.column.addWidget(self.make_buttons(self.tr("OK")))
        self._host.textChanged.connect(self._check)
        self._check()

    @property
    def host(self) -> str:
        """What was typed; empty for this machine."""
        return self._host.text().strip()

    @property
    def command(self) -> str:
        """The command there."""
        return self._command.text().strip() or DEFAULT_COMMAND

    def _check(self) -> None:
        problem = ""
        if self.host:
            try:
                remote_program(self.host, self.command)
            except ValueError as error:
                problem = str(error)
        self._problem.setText(problem)
        self.ok.setEnabled(not problem)
