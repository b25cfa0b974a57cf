"""The controller ``pgpe``: policy gradients with parameter-based exploration (Sehnke et al., Neural Networks 23, 2010).

Mirrored pairs; the gradient of the mean is taken by Adam at ``learning_rate`` in the place of the paper's plain step.
"""

from nagjax_evolution.policy_search import preset

make = preset("pgpe", "PGPE", {"learning_rate": 0.05, "std_init": 1.0})
