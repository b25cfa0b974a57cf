"""Names from files, flags and checkpoints are data: shown escaped, made safe before they are paths, and corrected.

A name may hold anything: a terminal's commands, marks that turn the direction of text, ``../``. ``shown`` is for all
that a person reads, ``safe_name`` for all that becomes part of a path, ``nearest`` for errors that suggest a name.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Sequence

HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode categories of characters that nobody sees and a terminal may obey: controls, formats (marks of direction
among them), halves of surrogate pairs (bytes of a path that are not text), breaks of lines and paragraphs."""

LONGEST = 100
"""Characters of a safe name, at most; file systems take 255 bytes, and endings follow."""

NEAR = 0.5
"""Least share of the longer of two names that is as it should be; below it a suggestion misleads."""

_PLAIN = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?")
_HASHED = re.compile(r"-[0-9a-f]{16}$")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)")
_BETWEEN = "__"


def shown(text: str) -> str:
    r"""A name on one line as a person may see it: characters that are hidden or obeyed stand as their escapes.

    Letters of all scripts stay as they are. What is shown already is not changed.

    >>> print(shown("Pixel 3"), shown("\x1b[2Jx"), shown("a\nb"), shown("a\u202eb"))
    Pixel 3 \x1b[2Jx a\nb a\u202eb
    """
    return text if text.isascii() and text.isprintable() else "".join(map(_shown_character, text))


def joined(names: Sequence[str], word: str = "and") -> str:
    """Names as a sentence has them.

    >>> joined(["a"]), joined(["a", "b"]), joined(["a", "b", "c"], "or")
    ('a', 'a and b', 'a, b or c')
    """
    *before, last = names
    return f"{', '.join(before)} {word} {last}" if before else last


def shown_lines(text: str) -> str:
    r"""``shown`` for text of several lines, such as a message: line feeds stay.

    >>> print(shown_lines("a\n\x1bb"))
    a
    \x1bb
    """
    return "\n".join(map(shown, text.split("\n")))


def safe_name(*parts: str) -> str:
    """A name of one file or folder, made of names that may hold anything.

    Plain parts (small ASCII letters, digits and ``. _ -``) stay as they are, joined by ``__``. Where anything had to
    be changed, a hash of the parts follows, so that two names never meet in one file: not on a file system that takes
    capitals for small letters either, nor where a name is reserved (``con``), hidden (``.x``) or too long.

    >>> safe_name("note10", "nag", "0"), safe_name("../../x"), safe_name("NAG")
    ('note10__nag__0', 'x-b2ecd05322dbaaf5', 'nag-e52f1901caeaca9c')
    """
    joined = _BETWEEN.join(parts)
    if len(joined) <= LONGEST and all(map(_is_plain, parts)) and not _RESERVED.match(joined):
        return joined
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
    readable = re.sub(r"[^a-z0-9]+", "_", joined.lower())[: LONGEST - 17].strip("_")
    readable = f"_{readable}" if _RESERVED.match(readable) else readable
    return f"{readable or 'name'}-{digest}"


def _is_plain(part: str) -> bool:
    """Whether a part can stand in a file's name as it is, and cannot be taken for another one or two."""
    return bool(_PLAIN.fullmatch(part)) and not (_BETWEEN in part or _HASHED.search(part))


def _shown_character(character: str) -> str:
    if unicodedata.category(character) not in HIDDEN:
        return character
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def nearest(name: str, known: Iterable[str], least: float = NEAR) -> str | None:
    """The known name with the fewest edits to ``name``, for its length; None where none is near.

    An edit is a character inserted, removed or replaced, or two neighbours swapped: the slip of the finger that makes
    "nga" of "nag" is one, where difflib finds "nsga2" nearer. Case does not count; ``least`` is the share of the longer
    name that is as it should be.

    >>> nearest("quality", ["arch", "top1"]) is None
    True
    >>> nearest("nga", ["nag", "nsga2"]), nearest("latency", ["params", "latency_ms"]), nearest("x", ["nag"])
    ('nag', 'latency_ms', None)
    """
    shares = {other: 1 - edits(name.lower(), other.lower()) / max(len(name), len(other), 1) for other in sorted(known)}
    best = max(shares, key=lambda other: shares[other], default=None)
    return best if best is not None and shares[best] >= least else None


def suggestion(name: str, known: Iterable[str]) -> str:
    """The end of a clause about a name that is not known: the nearest known one, or nothing.

    >>> suggestion("nga", ["nag", "nsga2"]), suggestion("x", ["nag"])
    (" (did you mean 'nag'?)", '')
    """
    near = nearest(name, known)
    return f" (did you mean {near!r}?)" if near else ""


def edits(one: str, other: str) -> int:
    """Edits between two words (optimal string alignment).

    >>> edits("nga", "nag"), edits("nga", "nsga2"), edits("", "abc"), edits("hiden", "hidden")
    (1, 2, 3, 1)
    """
    rows = [list(range(len(other) + 1))]
    for i, left in enumerate(one, 1):
        row, above = [i], rows[-1]
        for j, right in enumerate(other, 1):
            swapped = i > 1 and j > 1 and (left, right) == (other[j - 2], one[i - 2])
            swap = [rows[-2][j - 2] + 1] if swapped else []
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (left != right), *swap))
        rows.append(row)
    return rows[-1][-1]
