"""The controller ``open_es``: mirrored samples of one fixed deviation (Salimans et al., arXiv 1703.03864).

Adam at ``learning_rate`` and deviation ``std``, in the place of evosax's plain steps of 0.001 and deviation 1; see
``policy_search`` on how wide a deviation has to be.
"""

from nagjax_evolution.policy_search import preset

make = preset("open_es", "Open_ES", {"learning_rate": 0.05, "std": 1.0})
