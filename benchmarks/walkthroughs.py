"""The walk-throughs of docs/, run as a reader would run them; what they print and draw is written into them.

``python -m benchmarks.walkthroughs [--data_dir=DIR]``

A ``python`` block is run after those before it; a line of a ``bash`` block that begins with ``nagjax`` is that job; a
block with a title is the file of that name; a ``text`` block is what the block before it printed.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import common
from experiments import __main__ as jobs

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = DOCS / "walkthroughs"
ON_DATA = {"language_models.md": "hw_gpt_bench"}
"""Pages that need a public data set, and its folder; a page finds it where it runs."""

BLOCK = re.compile(r'^(```(\w+)(?: title="([\w./-]+)")?\n(.*?)^```\n)(?:\n```text\n.*?^```\n)?', re.S | re.M)
"""A block, with its kind, title and body, and what it printed."""


def run(text: str, folder: Path, steps: int | None = None) -> str:
    """Run a page in a folder.

    Args:
      text: the page.
      folder: where it runs, empty.
      steps: in place of those that the page trains for.

    Returns:
      the page with what its blocks print.

    Raises:
      ValueError: if a job fails.
    """
    names: dict[str, Any] = {"__name__": "__main__"}

    def ran(match: re.Match[str]) -> str:
        block, kind, title, body = match.groups()
        shorter = body if steps is None else re.sub(r"steps=[\d_]+", f"steps={steps}", body)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            if title:
                (folder / title).write_text(shorter, encoding="utf-8")
            elif kind == "python":
                exec(compile(shorter, "walkthrough", "exec"), names)
            elif kind == "bash":
                _run_jobs(shorter)
        shown = "\n".join(line.rstrip() for line in printed.getvalue().strip("\n").splitlines())
        return block + (f"\n```text\n{shown}\n```\n" if shown else "")

    with _inside(folder):
        return BLOCK.sub(ran, text)


def _run_jobs(lines: str) -> None:
    for line in lines.replace("\\\n", " ").splitlines():
        if line.startswith("nagjax ") and jobs.main(shlex.split(line)[1:]):
            raise ValueError(f"{line}: failed")


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """A folder as the current one, whose modules can be imported; they are forgotten afterwards."""
    sys.path.insert(0, str(folder))
    try:
        with contextlib.chdir(folder):
            yield
    finally:
        sys.path.remove(str(folder))
        for path in folder.glob("*.py"):
            sys.modules.pop(path.stem, None)


def walkthroughs(data_dir: Path | None = None) -> dict[str, Any]:
    """Run every page and write it anew, with its plots; those on data where the folder has them."""
    seconds = {}
    for name, needed in ON_DATA.items():
        if data_dir is not None and (data_dir / needed).is_dir():
            started = time.perf_counter()
            with tempfile.TemporaryDirectory() as folder:
                (Path(folder) / needed).symlink_to((data_dir / needed).resolve())
                (DOCS / name).write_text(run((DOCS / name).read_text(encoding="utf-8"), Path(folder)), encoding="utf-8")
            seconds[Path(name).stem] = round(time.perf_counter() - started, 1)
    for page in sorted(PAGES.glob("*.md")):
        started = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            page.write_text(run(page.read_text(encoding="utf-8"), Path(folder)), encoding="utf-8")
            for plot in Path(folder).glob("*.png"):
                shutil.copy(plot, PAGES)
        seconds[page.stem] = round(time.perf_counter() - started, 1)
    return {"pages": len(seconds), **{f"seconds_{name}": spent for name, spent in seconds.items()}}


if __name__ == "__main__":
    common.main(walkthroughs)
