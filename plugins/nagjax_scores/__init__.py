"""Scores of networks that are not trained, as evaluators: naswot, synflow, snip, grasp, fisher, grad_norm and jacov."""

from nagjax_scores.activations import make_fisher, make_naswot
from nagjax_scores.jacobian import make_jacov
from nagjax_scores.weights import make_grad_norm, make_grasp, make_snip, make_synflow

__all__ = ["make_fisher", "make_grad_norm", "make_grasp", "make_jacov", "make_naswot", "make_snip", "make_synflow"]
