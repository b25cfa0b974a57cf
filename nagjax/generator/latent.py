"""What a policy's hidden states know of architectures: whether those that differ in much lie far apart.

The diagnostic of Adam and Lorraine (arXiv 1904.00438): with a controller that understands what it makes, the rank
correlation between distances of hidden states and distances of architectures is high.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from nagjax.generator.decode import hidden_states
from nagjax.generator.policy import Policy
from nagjax.problems.problem import Problem


def distance_correlation(policy: Policy, problem: Problem, tokens: np.ndarray) -> float:
    """Spearman's correlation, over all pairs of at least 3 architectures int32 ``[N, T]``, of two distances.

    Budgets are the highest, which admits every architecture.

    Returns:
      between the Euclidean distance of the LSTM's outputs before the last decision and the number of earlier decisions
      that differ; NaN where one of the two does not vary.
    """
    budgets = jnp.broadcast_to(problem.high, (len(tokens), problem.spec.num_costs))
    states = np.asarray(_last(policy, problem, jnp.asarray(tokens, jnp.int32), budgets), np.float64)
    one, other = np.triu_indices(len(tokens), 1)
    apart = np.linalg.norm(states[one] - states[other], axis=-1)
    different = (tokens[one, :-1] != tokens[other, :-1]).sum(-1)
    if np.ptp(apart) == 0 or np.ptp(different) == 0:
        return float("nan")
    return float(stats.spearmanr(apart, different).statistic)


@jax.jit
def _last(policy: Policy, problem: Problem, tokens: jax.Array, budgets: jax.Array) -> jax.Array:
    """Float32 ``[N, H]``."""
    return hidden_states(policy, problem, tokens, budgets)[-1]
