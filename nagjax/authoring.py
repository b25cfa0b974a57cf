"""What authors of plugins import: every name that a controller, space, predictor or reader of files is made of.

>>> from nagjax.authoring import Operator, madds, parse_key
>>> madds(parse_key(Operator("linear", 1, 1, 1280, 1000).key))
1280000

The registry, which finds plugins by name, is ``nagjax.plugins``; the suites that check them are ``nagjax.testing``.
"""

from nagjax.controllers import Artefact, Controller
from nagjax.devices.table import DeviceTable, Row
from nagjax.generator import decode, training, walk
from nagjax.generator.policy import Policy, init_policy
from nagjax.operators import Operator, madds, params, parse_key
from nagjax.predictors.forms.form import Form
from nagjax.predictors.forms.linear import Linear
from nagjax.predictors.kinds.kind import Kind
from nagjax.predictors.predictor import FittedPredictor, Predictor
from nagjax.spaces.space import Decision, Space
from nagjax.spaces.trellis import Edge, build

__all__ = [
    "Artefact",
    "Controller",
    "Decision",
    "DeviceTable",
    "Edge",
    "FittedPredictor",
    "Form",
    "Kind",
    "Linear",
    "Operator",
    "Policy",
    "Predictor",
    "Row",
    "Space",
    "build",
    "decode",
    "init_policy",
    "madds",
    "params",
    "parse_key",
    "training",
    "walk",
]
