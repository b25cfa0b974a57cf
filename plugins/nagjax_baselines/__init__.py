"""What methods are held against: random search, enumeration, the table lookup, an exact additive solver, shrinking."""

from nagjax_baselines.enumeration import make as make_enumeration
from nagjax_baselines.exact import make as make_exact
from nagjax_baselines.exact_proposals import make as make_exact_proposer
from nagjax_baselines.lookup import make as make_lookup
from nagjax_baselines.random_search import make as make_random
from nagjax_baselines.shrink import make as make_greedy_shrink

__all__ = ["make_enumeration", "make_exact", "make_exact_proposer", "make_greedy_shrink", "make_lookup", "make_random"]
