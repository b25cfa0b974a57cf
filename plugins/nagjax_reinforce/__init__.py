"""Policy gradient with rewards of the literature: REINFORCE for all budgets, for one, and as its ancestor was released.

``reinforce`` is conditioned on the budget, ``reinforce_single`` is not, ``pnag`` is the released update and
``nag_published`` the published one; ``ctnas`` is rewarded for beating a rival. All are one update (``learner``) with
the same parameters: rewards, baselines, entropy and clipping are values to sweep. ``conservative`` has an update of its
own: it changes the best a little.
"""

from nagjax_reinforce.conservative import make as make_conservative
from nagjax_reinforce.ctnas import make as make_ctnas
from nagjax_reinforce.multi_task import make as make_multi_task
from nagjax_reinforce.pnag import make as make_pnag
from nagjax_reinforce.published import make as make_published
from nagjax_reinforce.reinforce import make
from nagjax_reinforce.single import make as make_single

__all__ = ["make", "make_conservative", "make_ctnas", "make_multi_task", "make_pnag", "make_published", "make_single"]
