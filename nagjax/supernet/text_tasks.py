"""Language models as tasks: ``recall``, made-up pairs that are asked for again, and ``char_lm``, characters of text.

Inputs and targets are token numbers int32 ``[N, L]``, targets those that follow; outputs are logits ``[N, L, V]``.
Quality is exp(-nats per token), the geometric mean of what the right tokens are given.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

from nagjax import arguments
from nagjax.supernet.task import Part, Task, arrays
from nagjax.supernet.usual_tasks import Parts, task_of

RUN = 16
"""Sequences of a text that are held out together."""

PARTS = (1, 2, 3)
"""What the random numbers of training, validation and test part begin with."""


def language_task(
    name: str,
    settings: Mapping[str, Any],
    parts: Parts,
    vocabulary: int,
    length: int,
    judged: slice = slice(None),
) -> Task:
    """The task of saying the token that follows, in sequences of ``length`` tokens.

    The next token is learned and judged at the positions of ``judged``; the others are only read.
    """

    def loss(logits: jax.Array, aims: jax.Array) -> jax.Array:
        return optax.softmax_cross_entropy(logits[:, judged], aims[:, judged]).mean(1)

    def aims(targets: Any) -> jax.Array:
        return jax.nn.one_hot(targets, vocabulary)

    def sums(logits: jax.Array, targets: Any, weight: jax.Array) -> dict[str, jax.Array]:
        right = (logits.argmax(-1) == targets)[:, judged].mean(1)
        return {"loss": (loss(logits, aims(targets)) * weight).sum(), "right": (right * weight).sum()}

    return task_of(
        name, settings, parts, {"length": length, "vocabulary": vocabulary},
        aims=aims, loss=loss, sums=sums,
        quality=lambda sums, number: math.exp(-max(float(sums["loss"]) / number, 0.0)),
        takes="int32 numbers of tokens [N, L]",
        quality_name="exp(-nats per token)",
        examples_name="sequences",
    )  # fmt: skip


def make_recall(
    *,
    pairs: int = 4,
    queries: int = 4,
    vocabulary: int = 32,
    training: int = 20_000,
    validation: int = 1000,
    test: int = 1000,
    seed: int = 0,
) -> Task:
    """Associative recall: pairs of key and value, then keys again, and of each its value is to be said.

    A sequence is ``k1 v1 k2 v2 ... q1 a1 q2 a2 ...`` without its last token; keys are different, drawn from the first
    half of the tokens, values from the second; the tokens behind ``q1``, ``q2``, ... are judged alone. (Arora et al.,
    "Zoology", arXiv 2312.04927, where recall tells kinds of attention apart.) Half of the vocabulary is keys;
    ``training``, ``validation`` and ``test`` are numbers of sequences.

    Raises:
      ValueError: if a size is out of range.
    """
    settings = {
        "pairs": pairs, "queries": queries, "vocabulary": vocabulary, "training": training, "validation": validation,
        "test": test, "seed": seed,
    }  # fmt: skip
    for name, value in settings.items():
        (arguments.seed if name == "seed" else arguments.count)(value, f"recall: {name}")
    keys = vocabulary // 2
    if vocabulary % 2 or not queries <= pairs <= keys:
        raise ValueError(
            f"recall: queries={queries}, pairs={pairs}, vocabulary={vocabulary}: vocabulary must be even, and queries "
            "at most the pairs, pairs at most half the vocabulary, since keys are different"
        )
    sizes = (training, validation, test)
    parts = [
        _recall(np.random.default_rng([seed, part]), size, pairs, queries, keys)
        for part, size in zip(PARTS, sizes, strict=True)
    ]
    length = 2 * (pairs + queries) - 1
    return language_task("recall", settings, parts, vocabulary, length, slice(2 * pairs, None, 2))


def _recall(rng: np.random.Generator, size: int, pairs: int, queries: int, keys: int) -> Part:
    held = rng.permuted(np.broadcast_to(np.arange(keys, dtype=np.int32), (size, keys)), axis=1)[:, :pairs]
    values = rng.integers(keys, 2 * keys, (size, pairs), np.int32)
    asked = rng.permuted(np.broadcast_to(np.arange(pairs), (size, pairs)), axis=1)[:, :queries]
    told = np.stack([held, values], 2).reshape(size, -1)
    rows = np.arange(size)[:, None]
    answered = np.stack([held[rows, asked], values[rows, asked]], 2).reshape(size, -1)
    sequence = np.concatenate([told, answered], 1)
    return arrays(sequence[:, :-1], sequence[:, 1:])


def make_char_lm(
    *, data_dir: str = "", length: int = 64, vocabulary: int = 96, held_out: float = 0.05, seed: int = 0
) -> Task:
    """Characters of a text: each is to be said from those before it.

    The text is the help on topics that comes with Python (465,000 characters, English), or all ``*.txt`` below a
    folder, by the order of their names. It is cut into sequences that do not overlap. Whole runs of ``RUN`` of them are
    drawn for validation and for test, so what is held out is not between two characters that were learned. The
    vocabulary is the characters that the training sequences have most often, and a last number for all others.
    ``held_out`` is the share of the text for validation, and as much for test; the seed draws it.

    Raises:
      ValueError: if a setting is out of range, there is no text, a file is not UTF-8, or the text is too short.
    """
    arguments.count(length, "char_lm: length", 2)
    arguments.count(vocabulary, "char_lm: vocabulary", 2)
    arguments.seed(seed, "char_lm: seed")
    if not 0 < held_out < 0.5:
        raise ValueError(f"char_lm: held_out={held_out!r}: must be a fraction above 0 and below 0.5")
    text = folder_text(Path(data_dir)) if data_dir else python_text()
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    number = (len(codes) - 1) // length
    runs = -(-number // RUN)
    held = max(1, round(held_out * runs))
    if runs < 2 * held + 1:
        raise ValueError(
            f"char_lm: {len(codes)} characters are {number} sequences of length={length}, in runs of {RUN}; too few to "
            "train, to validate and to test: give more text, or a smaller length"
        )
    run = np.arange(number) // RUN
    order = np.random.default_rng([seed, PARTS[0]]).permutation(runs)
    parts = [np.flatnonzero(np.isin(run, drawn)) for drawn in (order[2 * held :], order[:held], order[held : 2 * held])]
    whole = codes[: number * length + 1]
    inputs, targets = whole[:-1].reshape(number, length), whole[1:].reshape(number, length)
    known = frequent(inputs[parts[0]], vocabulary - 1)
    made = [
        arrays(numbered(inputs[rows], known, vocabulary), numbered(targets[rows], known, vocabulary)) for rows in parts
    ]
    settings = {"length": length, "vocabulary": vocabulary, "held_out": held_out, "seed": seed}
    return language_task("char_lm", settings, made, vocabulary, length)


def python_text() -> str:
    """The help on topics that comes with Python, by the order of their names."""
    topics: Mapping[str, str] = importlib.import_module("pydoc_data.topics").topics
    return "\n".join(topics[name] for name in sorted(topics))


def folder_text(folder: Path) -> str:
    """All ``*.txt`` below a folder, by the order of their names.

    Raises:
      ValueError: if there is none, or one is not UTF-8.
    """
    files = sorted(folder.rglob("*.txt"))
    if not files:
        raise ValueError(f"char_lm: {folder} has no *.txt in it; give the folder of your text files")
    texts = []
    for file in files:
        try:
            texts.append(file.read_text(encoding="utf-8"))
        except UnicodeDecodeError as error:
            raise ValueError(f"char_lm: {file} is not UTF-8: {error}; write it anew as UTF-8") from error
    return "\n".join(texts)


def frequent(codes: np.ndarray, most: int) -> np.ndarray:
    """The characters uint32 that stand most often in codes, at most so many, ascending; of equal the smaller."""
    found, times = np.unique(codes, return_counts=True)
    return np.sort(found[np.argsort(-times, kind="stable")[:most]])


def numbered(codes: np.ndarray, known: np.ndarray, vocabulary: int) -> np.ndarray:
    """Numbers int32 of characters: their place in ``known``, the last of the vocabulary for others."""
    at = np.minimum(np.searchsorted(known, codes), len(known) - 1)
    return np.where(known[at] == codes, at, vocabulary - 1).astype(np.int32)
