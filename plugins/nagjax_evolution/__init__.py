"""Evolution: of architectures (regularised evolution, NSGA-II, GA), and of the generator's parameters by evosax."""

from nagjax_evolution.categorical_ga import make as make_categorical_ga
from nagjax_evolution.nsga2 import make as make_nsga2
from nagjax_evolution.policy_search import make as make_evosax
from nagjax_evolution.presets import make_open_es, make_pgpe, make_sep_cma_es, make_snes
from nagjax_evolution.regularised import make as make_regularised

__all__ = [
    "make_categorical_ga",
    "make_evosax",
    "make_nsga2",
    "make_open_es",
    "make_pgpe",
    "make_regularised",
    "make_sep_cma_es",
    "make_snes",
]
