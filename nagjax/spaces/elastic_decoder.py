"""Decoders of one's own, language models: the transformers of ``nagjax.spaces.transformer`` whose rows are tokens."""

from __future__ import annotations

from functools import partial

import numpy as np

from nagjax import arguments
from nagjax.operators import Operator, kept_bytes, madds
from nagjax.operators.attention import step_madds
from nagjax.operators.embedding import embedding
from nagjax.operators.token_head import token_head
from nagjax.spaces.space import Count, Space
from nagjax.spaces.transformer import Plan, layers, space_of


def make(
    length: int = 64,
    vocabulary: int = 32,
    widths: int | str = "32-64",
    depths: int | str = "2-3-4",
    heads: int | str = "2-4",
    ratios: int | str = "2-4",
    mixers: str = "softmax-linear",
    head_size: int = 16,
) -> Space:
    """The space; choices are written with ``-`` between them.

    >>> make(widths="32", depths="1-2", mixers="softmax").count()
    20

    Raises:
      ValueError: if a size or choice is out of range, or choices do not ascend.
    """
    lists = {"widths": widths, "depths": depths, "heads": heads, "ratios": ratios}
    sizes = {"length": length, "vocabulary": vocabulary}
    for name, value in sizes.items():
        arguments.count(value, f"elastic_decoder: {name}", 2)
    plan = Plan(
        layers("elastic_decoder", lists, mixers, head_size),
        length,
        causal=True,
        stem=partial(embedding, length, vocabulary),
        head=lambda width: token_head(length, width, vocabulary),
        sizes=sizes,
        group=length,
        example=lambda num, rng: rng.integers(0, vocabulary, (num, length), np.int32),
    )
    counts = {"kv_cache": Count(kept_bytes, "kB", 10**3), "step_madds": Count(partial(_step, length))}
    return space_of("elastic_decoder", plan, {**sizes, "head_size": head_size, **lists, "mixers": mixers}, counts)


def _step(length: int, op: Operator) -> int:
    """Multiply-adds of an operator for one more token at the end of a text; of a sequence all take as many."""
    return step_madds(op) if op.kind == "attention" else madds(op) // length
