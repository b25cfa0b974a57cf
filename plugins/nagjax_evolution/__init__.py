"""Evolution: of architectures (regularised evolution, NSGA-II, GA), and of the generator's parameters by evosax."""

from nagjax_evolution.categorical_ga import make as make_categorical_ga
from nagjax_evolution.nsga2 import make as make_nsga2
from nagjax_evolution.open_es import make as make_open_es
from nagjax_evolution.pgpe import make as make_pgpe
from nagjax_evolution.policy_search import make as make_evosax
from nagjax_evolution.regularised import make as make_regularised
from nagjax_evolution.sep_cma_es import make as make_sep_cma_es
from nagjax_evolution.snes import make as make_snes

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
