"""A line below a field, which takes no room while it has nothing to say."""

from PySide6.QtWidgets import QLabel

from nvp_studio.views.theme import set_role


class NoteLabel(QLabel):
    """Hidden at first."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.show_text("")

    def show_text(self, text: str, role: str = "dim") -> None:
        """Say `text` in the look of `role`; nothing hides it."""
        self.setText(text)
        self.setVisible(bool(text))
        set_role(self, role)
