"""What arrays the entrances take, compiled or not: what fits gives one answer, what does not is named."""

import re

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from absl.testing import parameterized

from nagjax.generator import decode, walk
from nagjax.populations.cells import Cells
from nagjax.populations.front import Front
from nagjax.populations.vary import random_architectures
from nagjax.problems.problem import evaluate
from tests import tiny
from tests.test_forms import MAKERS, NUM
from tests.test_forms import TOKENS as FORM_TOKENS

PROBLEM, _ = tiny.make(0)
POLICY = tiny.make_policy(PROBLEM.spec, 0)
TOKENS = jnp.asarray(tiny.architectures()[:6])
NUM_TOKENS, LAYERS = TOKENS.shape
OBJECTIVE, COSTS = evaluate(PROBLEM, TOKENS)
BUDGETS = jnp.full((NUM_TOKENS, 1), PROBLEM.high[0])
SCORES = jnp.asarray(np.random.default_rng(0).normal(size=(NUM_TOKENS, LAYERS, PROBLEM.spec.num_choices)), jnp.float32)

ENTRANCES = {
    "masked_walk: budgets": (random_architectures, (PROBLEM, BUDGETS, jax.random.key(0)), 1),
    "decode_scores: scores": (walk.decode_scores, (PROBLEM, SCORES, BUDGETS), 1),
    "follow: tokens": (walk.follow, (PROBLEM, TOKENS, BUDGETS), 1),
    "follow: budgets": (walk.follow, (PROBLEM, TOKENS, BUDGETS), 2),
    "decode: budgets": (decode.greedy, (POLICY, PROBLEM, BUDGETS), 2),
    "score: tokens": (decode.score, (POLICY, PROBLEM, TOKENS, BUDGETS), 2),
    "beam: budgets": (lambda *given: decode.beam(*given, 2), (POLICY, PROBLEM, BUDGETS), 2),
    "evaluate: tokens": (evaluate, (PROBLEM, TOKENS), 1),
    "best_within: budgets": (Cells.best_within, (Cells.empty(PROBLEM.spec, 4), BUDGETS), 1),
    **{
        f"insert: {name}": (kind.insert, (kind.empty(PROBLEM.spec, 4), *of, TOKENS, COSTS, OBJECTIVE), place)
        for kind, of in ((Front, ()), (Cells, (PROBLEM,)))
        for place, name in enumerate(("tokens", "costs", "quality"), 1 + len(of))
    },
}
"""For each argument of an entrance: the entrance, arguments that it takes, and which of them it is."""


class TestEntrances(chex.TestCase):
    @chex.variants(with_jit=True, without_jit=True)
    @parameterized.parameters(*ENTRANCES)
    def test_refuses_another_rank_length_or_type_by_name(self, what):
        entrance, arguments, place = ENTRANCES[what]
        call, right = self.variant(entrance), arguments[place]
        chex.assert_trees_all_close(call(*arguments), jax.jit(entrance)(*arguments), rtol=1e-4)
        other = right.astype(jnp.int32 if jnp.issubdtype(right.dtype, jnp.floating) else jnp.float32)
        for wrong in (right[None], jnp.concatenate([right, right[..., :1]], -1), other):
            with pytest.raises(ValueError, match=re.escape(f"[{what}]")):
                call(*arguments[:place], wrong, *arguments[place + 1 :])

    @chex.variants(with_jit=True, without_jit=True)
    @parameterized.parameters(*MAKERS)
    def test_a_form_refuses_features_of_another_space(self, name):
        form, tokens = MAKERS[name](), jnp.asarray(FORM_TOKENS[:2])
        call = self.variant(lambda form, tokens, features: form(tokens, features))
        for features in (jnp.zeros((3, NUM)), jnp.zeros((2, NUM), jnp.int32), jnp.zeros(NUM)):
            with pytest.raises(ValueError, match=r"form \w+: features"):
                call(form, tokens, features)
        with pytest.raises(ValueError, match=r"form \w+: tokens"):
            call(form, tokens[0], jnp.zeros((2, NUM)))
