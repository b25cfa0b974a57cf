"""Pareto-frontier-aware neural architecture generation (Guo et al., arXiv 2103.00219, 2210.07634).

``nag`` is our best, ``nag_frugal`` its preset for few evaluations. Two more train the policy alone by other
gradients: ``nag_pathwise`` by comparing or relaxing edges, ``nag_simplex`` by exponentiated gradient.
"""

from nagjax_nag.frugal import make as make_frugal
from nagjax_nag.nag import make
from nagjax_nag.pathwise import make as make_pathwise
from nagjax_nag.simplex import make as make_simplex

__all__ = ["make", "make_frugal", "make_pathwise", "make_simplex"]
