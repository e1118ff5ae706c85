"""How the grid's tools speak to people: plain lines, colour only on a terminal."""

from __future__ import annotations

import os
import re
import sys
import textwrap

WIDTH = 88

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def coloured() -> bool:
    """Whether colour helps: somebody looks, and has not asked for none."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, *styles: str) -> str:
    """Returns `text` in the given styles, or as it is where colour does not help."""
    if not coloured() or not text:
        return text
    return f"\x1b[{';'.join(_CODES[style] for style in styles)}m{text}\x1b[0m"


def say(text: str = "") -> None:
    """Prints one line at once, so that a pipe shows progress too."""
    print(text, flush=True)


def wrap(text: str, indent: str = "  ") -> str:
    """Breaks prose into lines of at most WIDTH columns."""
    return textwrap.fill(text, WIDTH, initial_indent=indent, subsequent_indent=indent)


class Typewriter:
    """Prints text piece by piece as it arrives, and breaks lines between words.

    Blanks wait for the word after them, so that a line can end before that
    word. Nothing else waits: a reader sees each token when it comes.
    """

    def __init__(self, indent: str, column: int) -> None:
        self._indent = indent
        self._column = column
        self._space = ""

    def write(self, piece: str) -> None:
        """Prints one piece."""
        for word in re.findall(r"\n|[^\S\n]+|\S+", piece):
            if word == "\n":
                self._break()
            elif word.isspace():
                self._space = word
            else:
                if self._column + len(self._space) + len(word) > WIDTH and self._space:
                    self._break()
                print(self._space + word, end="", flush=True)
                self._column += len(self._space) + len(word)
                self._space = ""

    def end(self) -> None:
        """Ends the last line."""
        print(flush=True)

    def _break(self) -> None:
        print("\n" + self._indent, end="", flush=True)
        self._column = len(self._indent)
        self._space = ""
