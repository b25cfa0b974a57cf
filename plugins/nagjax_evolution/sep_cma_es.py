"""The controller ``sep_cma_es``: CMA-ES with a diagonal covariance (Ros and Hansen, PPSN 2008)."""

from nagjax_evolution.policy_search import preset

make = preset("sep_cma_es", "Sep_CMA_ES", {"learning_rate": 0.5, "std_init": 1.5})
