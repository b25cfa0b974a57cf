"""Pareto-frontier-aware neural architecture generation (Guo et al., arXiv 2103.00219, 2210.07634).

Two controllers: ``nag``, our best, and ``nag_published``, the method as the papers have it.
"""

from nagjax_nag.nag import make
from nagjax_nag.published import make as make_published

__all__ = ["make", "make_published"]
