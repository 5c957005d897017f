"""The parent of a fine-tuned model: the model whose weights its training began from."""

import msgspec

from nvp_studio.limits import Name, PathText


class Parent(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run's first weights come from. The file may have changed or gone since; the run does not need it."""

    name: Name
    """Of the run or model."""
    path: PathText
    """Of the checkpoint file when the run was started, or the name of an included model."""
    digest: Name
    """SHA-256 of that checkpoint's content, hexadecimal."""

    @property
    def text(self) -> str:
        """It in a line, for a person."""
        return f"{self.name} ({self.path}, {self.digest[:12]})"
