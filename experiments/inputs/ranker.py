"""The flags of the learned ranker for the main job."""

from __future__ import annotations

from absl import flags

from nagjax import ranked
from nagjax.posing import Setup


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags that ``with_ranker`` reads."""
    flags.DEFINE_integer(
        "ranker_labels", 0, "Architectures to fit a ranker R(a|B) to; 0 for the factored form.",
        lower_bound=0, flag_values=values,
    )  # fmt: skip
    flags.DEFINE_integer("ranker_anchors", 10, "Anchor budgets of the ranker.", lower_bound=2, flag_values=values)


def with_ranker(built: Setup, values: flags.FlagValues) -> Setup:
    """The setup with a ranker in its problem if ``--ranker_labels`` says so."""
    if not values.ranker_labels:
        return built
    return ranked.with_ranker(built, values.ranker_labels, values.ranker_anchors, values.seed)
