"""The figures of docs/results.md, made from what is committed in benchmarks/results/.

``python -m benchmarks.results [--check]`` writes the page; with ``--check`` it writes nothing, and ends with 1 where
the page is another. What a section compares, at which price and against which reference, stands in the page itself,
with the commands that repeat it, and then::

    Source: `benchmarks/results/FILE`.

    <!-- MAKER -->

What follows, up to the next section, is made by the function MAKER of ``benchmarks.result_tables``; ``MAKER base=NAME``
hands it an argument. No figure is typed by hand. One more study is one more section down to that line.
"""

from __future__ import annotations

import dataclasses
import re
import sys

from absl import app, flags

from benchmarks import common, result_tables
from benchmarks.jobs import ROOT
from nagjax import durable

PAGE = ROOT / "docs" / "results.md"
SOURCE = ROOT / "benchmarks" / "results"
_MADE = re.compile(r"Source: `benchmarks/results/(.+)`\.\n\n<!-- (\w+)((?: \w+=\w+)*) -->\n")


@dataclasses.dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes:
      said: what was written by hand, from the heading to the line that names the maker.
      source: file or folder in benchmarks/results/.
      maker: the function of ``result_tables`` that makes what follows.
      given: what it is given beside the source.
    """

    said: str
    source: str
    maker: str
    given: dict[str, str]

    def text(self) -> str:
        """The whole section as Markdown."""
        return "\n\n".join([self.said, *getattr(result_tables, self.maker)(SOURCE / self.source, **self.given)]) + "\n"


def split(page: str) -> tuple[str, list[Section]]:
    """What stands before the first section of a page, and the sections.

    Raises:
      ValueError: if a section does not say what is made from what.
    """
    head, *parts = re.split(r"^(?=## )", page, flags=re.MULTILINE)
    return head, [_section(part) for part in parts]


def _section(text: str) -> Section:
    found = _MADE.search(text)
    if not found:
        raise ValueError(
            f"docs/results.md: under {text.splitlines()[0]!r} stands no line 'Source: `benchmarks/results/FILE`.' with "
            "'<!-- MAKER -->' as the next paragraph: give both, MAKER being a function of benchmarks/result_tables.py"
        )
    source, maker, given = found.groups()
    return Section(text[: found.end()].rstrip(), source, maker, dict(pair.split("=") for pair in given.split()))


def made(page: str) -> str:
    """A page with its figures made anew."""
    head, sections = split(page)
    return "\n".join([head.rstrip() + "\n", *(section.text() for section in sections)])


def main(_argv: list[str]) -> None:
    """Write the page, or compare it."""
    there = PAGE.read_text(encoding="utf-8")
    text = made(there)
    if not flags.FLAGS.check:
        durable.replace(PAGE, text)
    common.report({"page": str(PAGE.relative_to(ROOT)), "sections": len(split(text)[1]), "same": text == there})
    sys.exit(1 if flags.FLAGS.check and text != there else 0)


if __name__ == "__main__":
    flags.DEFINE_bool("check", False, "Compare the page that is there; write nothing.")
    app.run(main)
