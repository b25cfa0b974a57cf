"""Seals: SHA-256 digests of what a checkpoint says and holds, so that a changed bit or a swapped array is noticed.

The configuration keeps the digest of each tree of arrays, and a seal over itself: one hash over everything, of which
only what is read needs to be computed again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

SEAL = "seal"
"""Where the configuration keeps the digest of all the rest of it."""


def digest_config(config: Mapping[str, Any]) -> str:
    """SHA-256 of a configuration's canonical JSON, its own seal left out; as hexadecimal digits.

    >>> digest_config({"a": 1, "b": 2}) == digest_config({"b": 2, "a": 1, "seal": "any"})
    True
    """
    rest = {key: value for key, value in config.items() if key != SEAL}
    # What JSON makes of a value (a list of a tuple, text of a number as a key) is what will be read back.
    text = json.dumps(json.loads(json.dumps(rest)), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def digest_arrays(tree: Mapping[str, Any]) -> str:
    """SHA-256 of nested dictionaries of arrays: path, dtype, shape and bytes of each; as hexadecimal digits.

    >>> digest_arrays({"a": np.zeros(2)}) == digest_arrays({"a": np.zeros((1, 2))})
    False
    """
    found = hashlib.sha256()
    for path, value in leaves(tree):
        array = np.ascontiguousarray(value)
        head = json.dumps([list(path), str(array.dtype), list(np.shape(value))])
        found.update(f"{len(head)}:{head}".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def leaves(tree: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Path and value of everything in nested dictionaries, in the order of the names.

    >>> list(leaves({"b": 1, "a": {"c": 2}}))
    [(('a', 'c'), 2), (('b',), 1)]
    """
    for name in sorted(tree):
        path = (*above, name)
        if isinstance(tree[name], Mapping):
            yield from leaves(tree[name], path)
        else:
            yield path, tree[name]
