"""When a run of a comparison ends, and how that is written and said."""

from __future__ import annotations

import dataclasses

EVALUATIONS, SECONDS, UPDATES = "evaluations", "seconds", "updates"
ENDINGS = {EVALUATIONS: "", SECONDS: "s", UPDATES: "u"}
"""What follows the number in flags and results, by unit; in the order in which limits are shown."""


@dataclasses.dataclass(frozen=True)
class Limit:
    """A run ends after so many ``evaluations`` of the quality, ``seconds`` after compilation, or ``updates``."""

    unit: str
    value: float

    @classmethod
    def read(cls, text: str) -> Limit:
        """The limit that ``text`` stands for.

        >>> Limit.read("2000"), Limit.read("60s")
        (Limit(unit='evaluations', value=2000.0), Limit(unit='seconds', value=60.0))
        """
        unit = next((unit for unit, ending in ENDINGS.items() if ending and text.endswith(ending)), EVALUATIONS)
        return cls(unit, float(text.removesuffix(ENDINGS[unit])))

    @property
    def text(self) -> str:
        """As in flags and results.

        >>> Limit(EVALUATIONS, 200).text, Limit(SECONDS, 60).text, Limit(UPDATES, 2000).text
        ('200', '60s', '2000u')
        """
        return f"{self.value:.10g}{ENDINGS[self.unit]}"

    @property
    def words(self) -> str:
        """As on pages.

        >>> Limit(EVALUATIONS, 2000).words, Limit(SECONDS, 60).words, Limit(UPDATES, 1).words
        ('2,000 evaluations', '60 s', '1 updates')
        """
        return f"{self.value:.10g} s" if self.unit == SECONDS else f"{self.value:,.0f} {self.unit}"

    @property
    def place(self) -> tuple[int, float]:
        """Where it stands among others: by unit, then by size."""
        return list(ENDINGS).index(self.unit), self.value

    def marks(self, count: int) -> list[float]:
        """Where a run is looked at, each twice the one before, the last at the limit.

        >>> Limit(EVALUATIONS, 200).marks(3)
        [50.0, 100.0, 200.0]
        """
        return [self.value / 2**back for back in reversed(range(count))]
