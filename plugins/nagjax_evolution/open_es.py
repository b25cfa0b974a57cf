"""The controller ``open_es``: mirrored samples of one fixed deviation (Salimans et al., arXiv 1703.03864).

evosax's own numbers (plain steps of 0.001, deviation 1) do nothing for a network of this size: Adam at
``learning_rate`` and deviation ``std``.
"""

from nagjax_evolution.policy_search import preset

make = preset("open_es", "Open_ES", {"learning_rate": 0.03, "std": 0.05})
