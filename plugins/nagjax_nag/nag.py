"""The controller ``nag``, default method: policy gradient and imitation of an archive that evolution fills as well.

Every sample meets its budget by construction, and a sample of cost c is an answer for every budget >= c (hindsight), so
an archive of the best architecture in each band of cost is free. Three things happen in an update:

- cheap evolution breeds children, at first in tournaments, then from neighbouring cells of the archive;
- the policy samples a group of architectures for each of a few budgets: REINFORCE with the group as baseline, and
  entropy;
- the policy imitates the archive's best within other budgets.

The policy starts once evolution has used ``fill`` of the run. Policy samples enter the archive as well: they lead
evolution out of local optima, and evolution gives the policy what sampling alone would take long to find.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp

from nagjax.controllers import Artefact, Metrics, Params
from nagjax.factory import Methods, factory
from nagjax.generator import decode
from nagjax.generator.policy import Policy, init_policy
from nagjax.generator.training import adam_start, annealed, policy_gradient
from nagjax.problems import contexts
from nagjax.problems.problem import Problem, Spec, evaluate
from nagjax_nag import evolution, learning

DEFAULTS: Mapping[str, float] = {
    "learning_rate": 2e-2,
    "final_learning_rate": 1e-4,
    "entropy": 0.02,
    "gradient": 0.1,
    "imitation": 1.0,
    "margin": 0.002,
    "fill": 0.3,
    "apart": 0.7,
    "tournament": 8.0,
    "crossover": 0.5,
    "reach": 0.04,
    "elite": 0.0,
    "mutations": 1.5,
    "budget_noise": 0.3,
}
"""What users sweep.

- ``learning_rate``, ``final_learning_rate``: of Adam, along a cosine once the policy learns.
- ``entropy``: weight of the entropy, falling to 0; ``gradient``: of REINFORCE; ``imitation``: of imitation.
- ``margin``: share by which an imitated architecture stays below its budget.
- ``fill``: share of the run that evolution has to itself; ``apart``: share of that in which tournaments are
  held, each among ``tournament`` members of a population.
- ``crossover``: chance of a child to have two parents, ``reach`` of a parent's neighbours as a share of all;
  ``mutations``: decisions of a child drawn anew, on average; ``budget_noise``: of a child's budget, about its parent's
  cost; ``elite``: chance that a parent is of the archive's front instead of any cell.
"""


@flax.struct.dataclass
class State:
    """State of a run.

    Attributes:
      policy: the generator.
      optimiser: state of Adam.
      population: the archive, the tournaments and the count of evaluations.
    """

    policy: Policy
    optimiser: Any
    population: evolution.Population


@factory("nag", tournaments=0)
def make(
    spec: Spec,
    hidden: int = 64,
    anchors: int = 256,
    budgets: int = 16,
    group: int = 8,
    imitated: int = 128,
    imitations: int = 1,
    children: int = 1024,
    spare: int = 1,
    cells: int = 1024,
    tournaments: int = 64,
    members: int = 32,
) -> Methods:
    """The controller.

    Args:
      spec: static shape of the problem.
      hidden: width of the policy's LSTM.
      anchors: number of anchor budgets per cost column.
      budgets: budgets an update samples for.
      group: architectures sampled for each of them.
      imitated: budgets a step imitates the archive at.
      imitations: steps an update takes; the first learns from samples and archive, further ones from the archive.
        Where evaluations are few, the policy learns what the archive holds only by many.
      children: children an update breeds and evaluates. A number that 64 does not divide needs ``tournaments`` as well.
      spare: children bred for each that is evaluated; those not met lately come first. With 1 all are evaluated, as is
        right where evaluations are cheap.
      cells: capacity of the archive.
      tournaments: populations that evolve apart at first, each within a budget of its own; a divisor of ``children``.
        With 0 children are bred in the archive from the first, as is right where evaluations are few.
      members: architectures of each of them; at least as many as its children in an update.

    Raises:
      ValueError: if the tournaments cannot share the children.
    """
    learns = learning.Sizes(hidden, anchors, budgets, group, imitated, imitations)
    return methods(spec, learns, evolution.Sizes(children, spare, cells, tournaments, members), DEFAULTS)


def methods(spec: Spec, learns: learning.Sizes, evolves: evolution.Sizes, defaults: Mapping[str, float]) -> Methods:
    """The functions of the controller, and of its presets."""
    return Methods(
        init=functools.partial(init, spec=spec, learns=learns, evolves=evolves),
        update=functools.partial(update, learns=learns, evolves=evolves),
        artefact=lambda state, _: Artefact(state.policy, state.population.archive),
        rebase=lambda state, problem: dataclasses.replace(
            state, population=evolution.rescore(state.population, problem)
        ),
        defaults=defaults,
    )


def init(
    key: jax.Array, problem: Problem, _params: Params, *, spec: Spec, learns: learning.Sizes, evolves: evolution.Sizes
) -> State:
    """A fresh policy, and random architectures."""
    policy_key, key = jax.random.split(key)
    policy = init_policy(policy_key, spec, learns.hidden, learns.anchors, contexts.num_traits(problem))
    population = evolution.start(problem, evolves.cells, evolves.tournaments, evolves.members, evolves.children, key)
    return State(policy, adam_start(policy.params), population)


def update(
    state: State, key: jax.Array, problem: Problem, params: Params, progress: jax.Array, *, learns: learning.Sizes,
    evolves: evolution.Sizes,
) -> tuple[State, Metrics]:  # fmt: skip
    """Evolution breeds, and the policy learns once it may."""
    breed_key, learn_key = jax.random.split(key)
    before = state.population
    population = evolution.evolve(before, problem, evolves.children, evolves.spare, params, progress, breed_key)
    state = dataclasses.replace(state, population=population)
    late = progress >= params["fill"]
    now = functools.partial(learn, sizes=learns)
    state, metrics = jax.lax.cond(late, now, wait, state, learn_key, problem, params, progress)
    archive = state.population.archive
    held = archive.occupied
    found = {
        "evaluations": state.population.evaluations.astype(jnp.float32),
        "nonfinite": (state.population.nonfinite - before.nonfinite).astype(jnp.float32),
        "archive_quality": jnp.max(archive.quality),
        "archive_mean": jnp.sum(jnp.where(held, archive.quality, 0.0)) / jnp.maximum(held.sum(), 1),
    }
    return state, {**metrics, **found}


def wait(
    state: State, _key: jax.Array, _problem: Problem, _params: Params, _progress: jax.Array
) -> tuple[State, Metrics]:
    """Leave the policy as it is; evolution has the run to itself."""
    return state, dict.fromkeys(("sampled_quality", "entropy", "imitation", "infeasible"), jnp.float32(0))


def learn(
    state: State, key: jax.Array, problem: Problem, params: Params, progress: jax.Array, sizes: learning.Sizes
) -> tuple[State, Metrics]:
    """The policy samples, which enter the archive too, and takes a step on samples and archive, others on it alone."""
    draw_key, sample_key, imitate_key = jax.random.split(key, 3)
    turn = contexts.turns(problem, sizes.budgets)
    drawn = learning.draw_budgets(state.population.archive, contexts.in_rows(problem, turn), sizes.budgets, draw_key)
    asked = jnp.repeat(drawn, sizes.group, 0)
    each = None if turn is None else jnp.repeat(turn, sizes.group)
    sampled = contexts.in_rows(problem, each)
    tokens, costs = decode.sample_in(state.policy, sampled, asked, each, sample_key)
    quality, _ = evaluate(problem, tokens)
    population = evolution.add(state.population, problem, evolution.Brood(tokens, costs, quality))
    archive = population.archive
    share = (progress - params["fill"]) / jnp.maximum(1 - params["fill"], 1e-6)
    rate = annealed(params["learning_rate"], params["final_learning_rate"], share)

    def imitate(policy: Policy, key: jax.Array) -> jax.Array:
        own = contexts.in_rows(problem, contexts.turns(problem, sizes.imitated))
        targets = learning.draw_budgets(archive, own, sizes.imitated, key)
        return learning.imitation(policy, own, archive, targets, params["margin"])

    def loss(policy: Policy) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        grouped = quality.reshape(sizes.budgets, sizes.group)
        gain, entropy = learning.surrogate(policy, sampled, tokens, asked, grouped)
        copied = imitate(policy, imitate_key)
        total = params["imitation"] * copied - params["gradient"] * gain
        return total - params["entropy"] * (1 - share) * entropy, (entropy, copied)

    def again(carry: tuple[Policy, Any], key: jax.Array) -> tuple[tuple[Policy, Any], None]:
        policy, optimiser = carry
        grads, _ = policy_gradient(lambda policy: (imitate(policy, key), None), policy)
        return learning.descend(policy, optimiser, grads, rate), None

    grads, (entropy, copied) = policy_gradient(loss, state.policy)
    learned = learning.descend(state.policy, state.optimiser, grads, rate)
    (policy, optimiser), _ = jax.lax.scan(again, learned, jax.random.split(imitate_key, sizes.imitations)[1:])
    metrics = {
        "sampled_quality": jnp.mean(jnp.where(jnp.isfinite(quality), quality, 0.0)),
        "entropy": entropy,
        "imitation": copied,
        "infeasible": jnp.sum((costs > asked).any(-1)).astype(jnp.float32),
    }
    return State(policy, optimiser, population), metrics
