"""A line of text below a field, hidden while it is empty."""

from PySide6.QtWidgets import QLabel

from nvp_studio.views.theme import set_role


class NoteLabel(QLabel):
    """Shows a note in the look of a role."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.show_text("")

    def show_text(self, text: str, role: str = "dim") -> None:
        """Show `text` in the look of `role`; an empty text hides the label."""
        self.setText(text)
        self.setVisible(bool(text))
        set_role(self, role)
