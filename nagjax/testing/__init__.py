"""The conformance suites: what a controller and what a search space have to keep, for the authors of plugins.

In one call::

    from nagjax import testing
    import my_package

    testing.check_controller(my_package.make, hidden=8)

or one test a check::

    @pytest.mark.parametrize("check", testing.CHECKS, ids=lambda check: check.__name__)
    def test_my_controller(check):
        check(my_package.make, hidden=8)

Keyword arguments are static settings of the factory; small ones make the suite fast. A check that fails raises
``AssertionError``, whose text begins with the name of the check. ``tiny_problem`` gives the exact problems it runs on.

A factory of spaces is checked in the same way: ``testing.check_space(my_package.make, width=1.2)``, or one test a check
of ``testing.SPACE_CHECKS``. One of kinds of predictors: ``testing.check_predictor(my_package.make)``, or
``testing.PREDICTOR_CHECKS``. Of a search with true evaluations: ``testing.check_evaluator(my_package.make, space)``, or
``testing.EVALUATOR_CHECKS``; ``testing.check_proposer(my_package.make)``, or ``testing.PROPOSER_CHECKS``. A kind of
operator by ``testing.check_operator(my_package.make)``, or ``testing.OPERATOR_CHECKS``. Of networks of your own: the
elastic network of a space by ``testing.check_elastic(my_package.make)``, or ``testing.ELASTIC_CHECKS``;
``testing.check_task(my_package.make)``, or ``testing.TASK_CHECKS``; ``testing.check_strategy(my_package.make)``, or
``testing.STRATEGY_CHECKS``.
"""

from nagjax.testing.checks import (
    CHECKS,
    check_artefact,
    check_budget,
    check_controller,
    check_determinism,
    check_improvement,
    check_nonfinite,
    check_protocol,
    check_rebase,
    check_recompilation,
    check_resume,
    check_seeds,
)
from nagjax.testing.counting import check_counting
from nagjax.testing.networks import (
    ELASTIC_CHECKS,
    check_elastic,
    check_elastic_alone,
    check_elastic_form,
    check_elastic_groups,
    check_elastic_mixed,
    check_elastic_operators,
    check_elastic_sizes,
    check_elastic_taps,
    check_elastic_used,
    check_elastic_watched,
)
from nagjax.testing.operators import (
    OPERATOR_CHECKS,
    check_operator,
    check_operator_apply,
    check_operator_counts,
    check_operator_form,
    check_operator_gradients,
    check_operator_keys,
    check_operator_nodes,
    check_operator_step,
)
from nagjax.testing.predictors import (
    PREDICTOR_CHECKS,
    check_predictor,
    check_predictor_determinism,
    check_predictor_form,
    check_predictor_kept,
    check_predictor_known,
    check_predictor_order,
    check_predictor_refusals,
    check_predictor_settings,
)
from nagjax.testing.problems import VARIANTS, Oracle, Tiny, tiny_problem, tiny_space
from nagjax.testing.searching import (
    EVALUATOR_CHECKS,
    PROPOSER_CHECKS,
    check_evaluator,
    check_evaluator_identity,
    check_evaluator_refusals,
    check_evaluator_repeats,
    check_evaluator_settings,
    check_evaluator_values,
    check_proposer,
    check_proposer_determinism,
    check_proposer_last,
    check_proposer_new,
    check_proposer_order,
    check_proposer_refusals,
    check_proposer_settings,
)
from nagjax.testing.spaces import (
    SPACE_CHECKS,
    check_space,
    check_space_conditions,
    check_space_count,
    check_space_description,
    check_space_features,
    check_space_operators,
    check_space_settings,
    check_space_soundness,
    check_space_text,
)
from nagjax.testing.tasks import (
    STRATEGY_CHECKS,
    TASK_CHECKS,
    check_strategy,
    check_strategy_lessons,
    check_strategy_settings,
    check_strategy_training,
    check_task,
    check_task_batches,
    check_task_held_out,
    check_task_loss,
    check_task_parts,
    check_task_quality,
    check_task_settings,
)

__all__ = [
    "CHECKS",
    "ELASTIC_CHECKS",
    "EVALUATOR_CHECKS",
    "OPERATOR_CHECKS",
    "PREDICTOR_CHECKS",
    "PROPOSER_CHECKS",
    "SPACE_CHECKS",
    "STRATEGY_CHECKS",
    "TASK_CHECKS",
    "VARIANTS",
    "Oracle",
    "Tiny",
    "check_artefact",
    "check_budget",
    "check_controller",
    "check_counting",
    "check_determinism",
    "check_elastic",
    "check_elastic_alone",
    "check_elastic_form",
    "check_elastic_groups",
    "check_elastic_mixed",
    "check_elastic_operators",
    "check_elastic_sizes",
    "check_elastic_taps",
    "check_elastic_used",
    "check_elastic_watched",
    "check_evaluator",
    "check_evaluator_identity",
    "check_evaluator_refusals",
    "check_evaluator_repeats",
    "check_evaluator_settings",
    "check_evaluator_values",
    "check_improvement",
    "check_nonfinite",
    "check_operator",
    "check_operator_apply",
    "check_operator_counts",
    "check_operator_form",
    "check_operator_gradients",
    "check_operator_keys",
    "check_operator_nodes",
    "check_operator_step",
    "check_predictor",
    "check_predictor_determinism",
    "check_predictor_form",
    "check_predictor_kept",
    "check_predictor_known",
    "check_predictor_order",
    "check_predictor_refusals",
    "check_predictor_settings",
    "check_proposer",
    "check_proposer_determinism",
    "check_proposer_last",
    "check_proposer_new",
    "check_proposer_order",
    "check_proposer_refusals",
    "check_proposer_settings",
    "check_protocol",
    "check_rebase",
    "check_recompilation",
    "check_resume",
    "check_seeds",
    "check_space",
    "check_space_conditions",
    "check_space_count",
    "check_space_description",
    "check_space_features",
    "check_space_operators",
    "check_space_settings",
    "check_space_soundness",
    "check_space_text",
    "check_strategy",
    "check_strategy_lessons",
    "check_strategy_settings",
    "check_strategy_training",
    "check_task",
    "check_task_batches",
    "check_task_held_out",
    "check_task_loss",
    "check_task_parts",
    "check_task_quality",
    "check_task_settings",
    "tiny_problem",
    "tiny_space",
]
