"""The proposer ``one_step``: of what differs little from what is evaluated, the best predicted in each band of cost."""

import jax
import jax.numpy as jnp
import numpy as np

from nagjax.authoring import Proposer, evaluate, vary


def make(tries: int = 256):
    """The proposer; ``tries`` children are looked at in each round."""

    def propose(question):
        problem, done = question.problem, question.evaluated.tokens
        rng = np.random.default_rng([question.seed, question.number])
        parents = jnp.asarray(done[rng.integers(len(done), size=tries)])
        rates, key = jnp.full(tries, 1.5 / parents.shape[1]), jax.random.key(rng.integers(2**31))
        tokens, costs = vary.children(problem, parents, parents, evaluate(problem, parents)[1], rates, key)
        quality, taken, chosen = np.asarray(evaluate(problem, tokens)[0]), {row.tobytes() for row in done}, []
        for band in np.array_split(np.argsort(np.asarray(costs)[:, 0], kind="stable"), question.num):
            for row in np.asarray(tokens)[band[np.argsort(-quality[band], kind="stable")]]:
                if row.tobytes() not in taken:
                    taken.add(row.tobytes())
                    chosen.append(row)
                    break
        return np.array(chosen, np.int32).reshape(-1, parents.shape[1])

    return Proposer("one_step", {"tries": tries}, propose)
