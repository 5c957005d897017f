"""Words from elsewhere (files, programs, libraries, errors) as a line or a sentence that can be shown anywhere."""

MOST_CHARACTERS = 300


def one_line(text: object, most: int = MOST_CHARACTERS) -> str:
    """The text as one line of printable characters, at most `most` of them; what is left out shows as an ellipsis.

    Line breaks and runs of spaces become single spaces. Control characters, unpaired surrogates and marks that change
    the direction of writing are dropped: a reason must not move the cursor of a terminal nor break a stream.
    """
    words = " ".join(str(text)[: 10 * most].split())
    line = "".join(character for character in words if character.isprintable())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def sentence(reason: object) -> str:
    """A reason, such as an error's, as a sentence: it begins large and ends with a full stop."""
    text = str(reason)
    return f"{text[:1].upper()}{text[1:]}."
