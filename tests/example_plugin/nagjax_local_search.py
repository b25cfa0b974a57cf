"""The controller ``local_search``: mutate what the archive holds, keep what is better in its band of cost."""

import flax.struct
import jax
import jax.numpy as jnp

from nagjax.authoring import Artefact, Cells, Methods, evaluate, factory, vary


@flax.struct.dataclass
class State:
    """What the search remembers."""

    archive: Cells
    evaluations: jax.Array


@factory("local_search")
def make(spec, children: int = 256, cells: int = 512) -> Methods:
    """The controller; ``children`` architectures are tried in an update, the archive has ``cells`` bands."""

    def add(state, problem, tokens, costs):
        quality, _ = evaluate(problem, tokens)
        archive = state.archive.insert(problem, tokens, costs, quality)
        return State(archive, state.evaluations + len(tokens))

    def init(key, problem, params):
        budgets = jnp.broadcast_to(problem.high, (children, spec.num_costs))
        empty = State(Cells.empty(spec, cells), jnp.float32(0))
        return add(empty, problem, *vary.random_architectures(problem, budgets, key))

    def update(state, key, problem, params, progress):
        parent_key, budget_key, child_key = jax.random.split(key, 3)
        odds = jnp.where(state.archive.occupied, 0.0, -jnp.inf)
        parents = state.archive.tokens[jax.random.categorical(parent_key, odds, shape=(children,))]
        share = jax.random.uniform(budget_key, (children, spec.num_costs))
        budgets = problem.low[None] + (share * (problem.high - problem.low)[None]).astype(jnp.int32)
        rates = jnp.full(children, params["mutations"] / spec.num_layers)
        tokens, costs = vary.children(problem, parents, parents, budgets, rates, child_key)
        state = add(state, problem, tokens, costs)
        infeasible = jnp.sum((costs > budgets).any(-1)).astype(jnp.float32)
        return state, {"evaluations": state.evaluations, "infeasible": infeasible}

    def rebase(state, problem):
        return State(state.archive.rescore(problem), state.evaluations + cells)

    return Methods(
        init=init,
        update=update,
        artefact=lambda state, problem: Artefact(None, state.archive),
        rebase=rebase,
        defaults={"mutations": 1.5},
    )
