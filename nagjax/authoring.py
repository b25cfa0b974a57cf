"""What authors of plugins import: every name that a plugin of any kind is made of.

>>> from nagjax.authoring import Operator, madds, parse_key
>>> madds(parse_key(Operator("linear", 1, 1, 1280, 1000).key))
1280000

The registry, which finds plugins by name, is ``nagjax.plugins``; the suites that check them are ``nagjax.testing``.
"""

from nagjax import budgets
from nagjax.blocks import Network, init
from nagjax.blocks import apply as run
from nagjax.controllers import Artefact, Controller
from nagjax.devices.table import DeviceTable, Row
from nagjax.elastic import Alone, Elastic, Outputs, Watched, Watcher, switch
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
from nagjax.supernet.datasets.draw import three_parts
from nagjax.supernet.forms import Regions
from nagjax.supernet.strategy import FIRST, HELD, LABELS, Lesson, Strategy, random_path
from nagjax.supernet.task import Examples, Part, Task, arrays, epochs
from nagjax.supernet.usual_tasks import classification, regression, standardising

__all__ = [
    "FIRST",
    "HELD",
    "LABELS",
    "MLP",
    "Alone",
    "Artefact",
    "Cells",
    "Controller",
    "Decision",
    "DeviceTable",
    "Edge",
    "Elastic",
    "Evaluations",
    "Evaluator",
    "Examples",
    "FittedPredictor",
    "Form",
    "Front",
    "GaussianProcess",
    "Kind",
    "Lesson",
    "Linear",
    "Methods",
    "Network",
    "Operator",
    "OperatorKind",
    "Outcome",
    "Outputs",
    "Part",
    "Policy",
    "Predictor",
    "Problem",
    "Proposer",
    "Question",
    "Records",
    "Regions",
    "Row",
    "Space",
    "Spec",
    "Strategy",
    "Task",
    "Watched",
    "Watcher",
    "arrays",
    "budgets",
    "build",
    "chain",
    "classification",
    "decode",
    "epochs",
    "evaluate",
    "export",
    "factory",
    "findings",
    "init",
    "init_policy",
    "madds",
    "mixed",
    "params",
    "parse_key",
    "prefix",
    "random_path",
    "regression",
    "run",
    "smoothed",
    "standardising",
    "switch",
    "tabular_quality",
    "three_parts",
    "tournaments",
    "training",
    "vary",
    "walk",
    "with_evaluated",
]
