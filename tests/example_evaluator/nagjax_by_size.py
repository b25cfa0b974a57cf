"""The evaluator ``by_size``: what a made-up law says of an architecture's multiply-adds, and the energy it takes."""

import numpy as np

from nagjax.authoring import Evaluator, madds


def make(space, best: float = 0.8):
    """The evaluator; ``best`` is the quality of an architecture without end."""
    work = np.array([madds(operator) for operator in space.operators], np.float64)

    def evaluate(tokens):
        millions = space.operator_sum(tokens, work) / 1e6
        return {"quality": best * millions / (1 + millions), "energy_mj": 2 * millions}

    return Evaluator("by_size", {"best": best}, {"best": best}, evaluate, costs=("energy_mj",))
