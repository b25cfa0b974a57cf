"""The controller ``snes``: separable natural evolution strategy (Wierstra et al., JMLR 15, 2014).

The mean follows the natural gradient (``learning_rate`` 1 is the paper's), every parameter has a deviation of its own.
"""

from nagjax_evolution.policy_search import preset

make = preset("snes", "SNES", {"std_init": 0.1})
