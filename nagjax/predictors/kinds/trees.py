"""The kind ``trees``: gradient boosting by LightGBM, as in GBDT-NAS (Luo et al., arXiv 2007.04785).

The library is needed to fit (``pip install 'nagjax[trees]'``) and not to ask: the form holds the trees as arrays.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import jax.numpy as jnp
import numpy as np

from nagjax import arguments
from nagjax.predictors.fitted import FittedPredictor
from nagjax.predictors.forms.trees import Trees
from nagjax.predictors.kinds.kind import Kind, check_share, configured, held_out_first, known_features
from nagjax.predictors.records.records import Records
from nagjax.spaces.space import Space


@dataclasses.dataclass(frozen=True)
class TreesConfig:
    """Settings of the boosting.

    Attributes:
      trees: number of trees.
      learning_rate: share of its fit that a tree adds, 0 < rate <= 1.
      leaves: of a tree at most.
      depth: of a tree at most.
      least: records in a leaf at least.
      features: share of the path features that a tree may ask for, 0 < share <= 1.
      rows: share of the records that a tree is fitted to, drawn anew every fifth tree, 0 < share <= 1.
      validation_share: part of the records held out first, 0 <= share < 1 (0: no errors are reported).
    """

    trees: int = 100
    learning_rate: float = 0.05
    leaves: int = 31
    depth: int = 8
    least: int = 5
    features: float = 0.9
    rows: float = 0.8
    validation_share: float = 0.2

    def __post_init__(self) -> None:
        for name in ("trees", "depth", "least"):
            arguments.count(getattr(self, name), name)
        arguments.count(self.leaves, "leaves", least=2)
        for name in ("learning_rate", "features", "rows"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name}={getattr(self, name)}: lies in 0 < {name} <= 1")
        check_share(self.validation_share)


def make(**settings: Any) -> Kind:
    """The kind; settings are the fields of ``TreesConfig``."""
    return configured("trees", TreesConfig, settings, fit_trees)


def fit_trees(space: Space, records: Records, config: TreesConfig | None = None, seed: int = 0) -> FittedPredictor:
    """Fit boosted trees to records; the seed decides which are held out, and what each tree sees.

    Raises:
      ValueError: if there are too few records, or LightGBM is not installed.
    """
    config = config or TreesConfig()

    def form_of(some: Records) -> Trees:
        features = space.features(some.tokens).astype(np.float64)
        return as_form(boosted(features, some.quality, config, seed), known_features(space, features), config)

    return held_out_first(space, records, config.validation_share, seed, form_of)


def boosted(features: np.ndarray, quality: np.ndarray, config: TreesConfig, seed: int) -> list[Mapping[str, Any]]:
    """Trees as LightGBM dumps them, nested nodes, of features float64 ``[N, F]`` and qualities float64 ``[N]``."""
    dumped = booster(features, quality, config, seed).dump_model()
    return [tree["tree_structure"] for tree in dumped["tree_info"]]


def booster(features: np.ndarray, quality: np.ndarray, config: TreesConfig, seed: int) -> Any:
    """LightGBM's own model of features float64 ``[N, F]`` and qualities float64 ``[N]``."""
    library = _lightgbm()
    settings = {
        "objective": "regression", "learning_rate": config.learning_rate, "num_leaves": config.leaves,
        "max_depth": config.depth, "min_data_in_leaf": config.least, "min_data_in_bin": 1,
        "feature_fraction": config.features, "bagging_fraction": config.rows, "bagging_freq": 5,
        "seed": seed % 2**31, "deterministic": True, "force_row_wise": True, "num_threads": 1, "verbosity": -1,
    }  # fmt: skip
    return library.train(settings, library.Dataset(features, quality), num_boost_round=config.trees)


def as_form(trees: list[Mapping[str, Any]], known: np.ndarray, config: TreesConfig) -> Trees:
    """The form of dumped trees; its shapes are those of the settings, so that every fit compiles alike."""
    shape = (config.trees, 2 * config.leaves - 1)
    feature, left, right = (np.zeros(shape, np.int32) for _ in range(3))
    threshold, value = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for number, root in enumerate(trees):
        nodes = [root]
        for place, node in enumerate(nodes):  # grows while it is walked
            if "split_feature" in node:
                feature[number, place], threshold[number, place] = node["split_feature"], node["threshold"]
                left[number, place], right[number, place] = len(nodes), len(nodes) + 1
                nodes += [node["left_child"], node["right_child"]]
            else:
                value[number, place] = node["leaf_value"]
                left[number, place] = right[number, place] = place
    return Trees(
        feature=jnp.asarray(feature), threshold=jnp.asarray(threshold), left=jnp.asarray(left),
        right=jnp.asarray(right), value=jnp.asarray(value), known=jnp.asarray(known), depth=config.depth,
    )  # fmt: skip


def _lightgbm() -> ModuleType:
    try:
        import lightgbm
    except ImportError as error:
        raise ValueError("kind trees is fitted by LightGBM: pip install 'nagjax[trees]'") from error
    found: ModuleType = lightgbm
    return found
