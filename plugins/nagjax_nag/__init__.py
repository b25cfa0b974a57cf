"""The controller ``nag``: Pareto-aware neural architecture generation (Guo et al., arXiv 2103.00219, 2210.07634)."""

from nagjax_nag.nag import make

__all__ = ["make"]
