"""Evolution strategies under names of their own, with parameters that suit the generator; see ``policy_search``."""

from nagjax_evolution.policy_search import preset

# Separable natural evolution strategy (Wierstra et al., JMLR 15, 2014). The mean follows the natural gradient, every
# parameter has a deviation of its own. Learning rate 1 is the paper's; half of it keeps more variety.
make_snes = preset("snes", "SNES", {"learning_rate": 0.5, "std_init": 1.5})

# Policy gradients with parameter-based exploration (Sehnke et al., Neural Networks 23, 2010). Mirrored pairs; the
# gradient of the mean is taken by Adam in the place of the paper's plain step.
make_pgpe = preset("pgpe", "PGPE", {"learning_rate": 0.05, "std_init": 1.0})

# Mirrored samples of one fixed deviation (Salimans et al., arXiv 1703.03864). Adam and deviation 1 in the place of
# evosax's plain steps of 0.001; see ``policy_search`` on how wide a deviation has to be.
make_open_es = preset("open_es", "Open_ES", {"learning_rate": 0.05, "std": 1.0})

# CMA-ES with a diagonal covariance (Ros and Hansen, PPSN 2008).
make_sep_cma_es = preset("sep_cma_es", "Sep_CMA_ES", {"learning_rate": 0.5, "std_init": 1.5})
