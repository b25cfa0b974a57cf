"""The kind ``marginal``: what the records with a choice have above the others on average, added up over choices."""

import jax.numpy as jnp

from nagjax.authoring import FittedPredictor, Kind, Linear


def make(shrink: float = 4.0) -> Kind:
    """The kind; ``shrink`` average records are added to those of each choice."""

    def fit(space, records, seed):
        features, mean = space.features(records.tokens), records.quality.mean()
        counts = features.sum(0)
        weights = features.T @ (records.quality - mean) / (counts + shrink)
        offset = mean - (features @ weights).mean()
        predictor = Linear(jnp.asarray(weights, jnp.float32), jnp.float32(offset), jnp.asarray(counts > 0))
        return FittedPredictor(predictor, {"source": records.source, "train": len(records.quality)})

    return Kind("marginal", {"shrink": shrink}, fit)
