"""The texts of the lessons: Markdown files in `resources/lessons/<language>`, one for each step."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path

from PySide6.QtCore import QLocale
from PySide6.QtGui import QTextDocument

from nvp_studio.resources import resource_path
from nvp_studio.views.lessons.formulas import formula_html

_HEADING = re.compile(r"^#+ *(.*)$", re.MULTILINE)
_MARKED = re.compile(r"\$(?P<formula>[^$\n]+)\$|\{\{(?P<action>[a-z0-9.-]+)\}\}")
_FIRST_MARK = 0xE000
"""Characters of the private use area stand for what Markdown must not see."""
_BODY = re.compile(r"<body[^>]*>(.*)</body>", re.DOTALL)


@dataclass(frozen=True)
class LessonText:
    """What a step says, as HTML but for its title."""

    title: str
    body: str
    task: str
    """The one thing to do."""
    done: str
    """What is said once it was done."""


def languages() -> list[str]:
    """Languages that the lessons are written in, as ISO 639 codes."""
    return sorted(path.name for path in resource_path("lessons").iterdir() if path.is_dir())


def language() -> str:
    """The language of the system where the lessons are written in it, else English."""
    own = QLocale().name().split("_")[0]
    return own if own in languages() else "en"


def read_lesson(name: str, describe: Callable[[str], str], chosen: str = "") -> LessonText:
    """The text of the step `name`; `describe` tells in plain text what `{{key}}`, an action, is called and its key.

    A file has three headings: of the step, of the thing to do, and of what is said when it was done. Formulas are
    between dollar signs (`formula_html`). Raises `ValueError` for a file of another form, `FileNotFoundError` for none.
    """
    for folder in (chosen or language(), "en"):
        path = resource_path("lessons") / folder / f"{name}.md"
        if path.is_file():
            return _parsed(path, describe)
    raise FileNotFoundError(f"the installation is incomplete: resources/lessons/en/{name}.md is missing")


def _parsed(path: Path, describe: Callable[[str], str]) -> LessonText:
    before, *parts = _HEADING.split(path.read_text("utf-8"))
    if before.strip() or len(parts) != 6:
        raise ValueError(f"{path.name} has not three headings")
    title, body, _, task, _, done = (part.strip() for part in parts)
    return LessonText(title, *(_html(text, describe) for text in (body, task, done)))


def _html(markdown: str, describe: Callable[[str], str]) -> str:
    """Markdown, formulas and actions as HTML."""
    pieces: list[str] = []

    def keep(match: re.Match[str]) -> str:
        formula = match["formula"]
        pieces.append(formula_html(formula) if formula else f"<b>{escape(describe(match['action']))}</b>")
        return chr(_FIRST_MARK + len(pieces) - 1)

    document = QTextDocument()
    document.setMarkdown(" ".join(_MARKED.sub(keep, markdown).split("\n")))
    found = _BODY.search(document.toHtml())
    html = found[1] if found else ""
    html = re.sub(r"</?p[^>]*>", "", html).strip()
    for index, piece in enumerate(pieces):
        html = html.replace(chr(_FIRST_MARK + index), piece)
    return html
