"""The conformance suite: what a controller has to keep, for the authors of plugins.

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
from nagjax.testing.problems import VARIANTS, Oracle, Tiny, tiny_problem, tiny_space

__all__ = [
    "CHECKS",
    "VARIANTS",
    "Oracle",
    "Tiny",
    "check_artefact",
    "check_budget",
    "check_controller",
    "check_counting",
    "check_determinism",
    "check_improvement",
    "check_nonfinite",
    "check_protocol",
    "check_rebase",
    "check_recompilation",
    "check_resume",
    "check_seeds",
    "tiny_problem",
    "tiny_space",
]
