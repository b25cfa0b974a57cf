"""What is said of a published system."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence
from typing import Literal

Verdict = Literal["seen", "refuted", "not decided", "not built"]
VERDICTS: tuple[Verdict, ...] = ("seen", "refuted", "not decided", "not built")


@dataclasses.dataclass(frozen=True)
class System:
    """A system of the literature, and how it fares here.

    Attributes:
      name: it is asked for by.
      title: as its authors call it.
      arxiv: number of the paper; empty where there is none.
      claim: what the paper says of it, as far as it is tried here.
      job: module of experiments that runs it; empty where the system is not built.
      arguments: of that job. ``DATA`` is the folder of the public data sets, ``LABELS`` a file of architectures and
        their quality, ``EMBEDDED`` the folder of the data set that travels along.
      small: arguments that make it a small trial without any data, in place of those of the same name.
      measured: a sentence; ``{file | figure}`` in it is read from benchmarks/results by ``experiments.published.page``.
      verdict: one of ``VERDICTS``.
      rows: files and folders of benchmarks/results that the verdict is from.
    """

    name: str
    title: str
    arxiv: str
    claim: str
    job: str = ""
    arguments: Sequence[str] = ()
    small: Sequence[str] = ()
    measured: str = ""
    verdict: Verdict = "not built"
    rows: Sequence[str] = ()

    @property
    def command(self) -> str:
        """The command that runs it; empty where it is not built."""
        return shlex.join(["python", "-m", f"experiments.{self.job}", *self.arguments]) if self.job else ""

    def trial(self, labels: str, embedded: str, out: str) -> list[str]:
        """Arguments of the small run, with a file of labels, the embedded data set and a folder to write to."""
        names = {one.partition("=")[0] for one in self.small}
        kept = [one for one in self.arguments if one.partition("=")[0] not in names and one != "--data_dir=DATA"]
        given = [*kept, *self.small, f"--out={out}"]
        return [one.replace("LABELS", labels).replace("EMBEDDED", embedded) for one in given]
