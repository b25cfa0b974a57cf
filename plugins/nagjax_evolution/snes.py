"""The controller ``snes``: separable natural evolution strategy (Wierstra et al., JMLR 15, 2014).

The mean follows the natural gradient, every parameter has a deviation of its own. ``learning_rate`` 1 is the paper's;
half of it keeps more variety.
"""

from nagjax_evolution.policy_search import preset

make = preset("snes", "SNES", {"learning_rate": 0.5, "std_init": 1.5})
