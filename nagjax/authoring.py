"""What authors of plugins import: every name that a plugin of any kind is made of.

>>> from nagjax.authoring import Operator, madds, parse_key
>>> madds(parse_key(Operator("linear", 1, 1, 1280, 1000).key))
1280000

The registry, which finds plugins by name, is ``nagjax.plugins``; the suites that check them are ``nagjax.testing``.
"""

from nagjax import budgets
from nagjax.controllers import Artefact, Controller
from nagjax.devices.table import DeviceTable, Row
from nagjax.evaluators.evaluator import Evaluator, Outcome
from nagjax.evaluators.journal import Evaluations
from nagjax.factory import Methods, factory
from nagjax.generator import decode, training, walk
from nagjax.generator.policy import Policy, init_policy
from nagjax.operators import Operator, OperatorKind, madds, params, parse_key
from nagjax.populations import findings, tournaments, vary
from nagjax.populations.cells import Cells
from nagjax.populations.front import Front
from nagjax.predictors.fitted import FittedPredictor
from nagjax.predictors.forms.evaluated import with_evaluated
from nagjax.predictors.forms.exported import export
from nagjax.predictors.forms.form import Form
from nagjax.predictors.forms.gaussian_process import GaussianProcess
from nagjax.predictors.forms.linear import Linear
from nagjax.predictors.forms.mix import mixed
from nagjax.predictors.forms.mlp import MLP, Predictor
from nagjax.predictors.forms.neighbours import smoothed
from nagjax.predictors.forms.table import tabular_quality
from nagjax.predictors.kinds.kind import Kind
from nagjax.predictors.records.records import Records
from nagjax.problems.problem import Problem, Spec, evaluate
from nagjax.proposers.proposer import Proposer, Question
from nagjax.spaces import Decision, Edge, Space, build, chain
from nagjax.spaces.compose import prefix

__all__ = [
    "MLP",
    "Artefact",
    "Cells",
    "Controller",
    "Decision",
    "DeviceTable",
    "Edge",
    "Evaluations",
    "Evaluator",
    "FittedPredictor",
    "Form",
    "Front",
    "GaussianProcess",
    "Kind",
    "Linear",
    "Methods",
    "Operator",
    "OperatorKind",
    "Outcome",
    "Policy",
    "Predictor",
    "Problem",
    "Proposer",
    "Question",
    "Records",
    "Row",
    "Space",
    "Spec",
    "budgets",
    "build",
    "chain",
    "decode",
    "evaluate",
    "export",
    "factory",
    "findings",
    "init_policy",
    "madds",
    "mixed",
    "params",
    "parse_key",
    "prefix",
    "smoothed",
    "tabular_quality",
    "tournaments",
    "training",
    "vary",
    "walk",
    "with_evaluated",
]
