"""From tensors by name to the space that they are the weights of, and its parameters."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from nagjax import blocks
from nagjax.names import suggestion
from nagjax.pretrained.maps import LAYER, MAPS, SKIPPED, WeightMap
from nagjax.spaces.pretrained_decoder import Plan
from nagjax.spaces.pretrained_elastic import PARTS, largest, layer_names

TOLD = ("embedding.tokens", "attention.query", "attention.key", "feed_forward.up")
"""Slots whose shapes say how large a model is."""

NAMED = 5
"""Tensors that an error names at most."""

POSITIONS = "embedding.positions"
"""The slot that may hold more rows than the space has tokens; the first are taken."""


@dataclasses.dataclass(frozen=True, eq=False)
class Given:
    """Tensors and what they are.

    Attributes:
      source: where they are from, for errors.
      tensors: float32 by name, without prefix.
      names: the map.
      layers: how many there are.
    """

    source: str
    tensors: Mapping[str, np.ndarray]
    names: WeightMap
    layers: int


def given(source: str, tensors: Mapping[str, np.ndarray], names: WeightMap | None = None) -> Given:
    """Tensors by a map; the one of ``MAPS`` that knows most of their names where None.

    Raises:
      ValueError: if names are missing or not known to it.
    """
    found = names or max(
        MAPS.values(), key=lambda one: len(_known(one) & {_plain(name) for name in _bare(one, tensors)})
    )
    own = _bare(found, tensors)
    if len(own) < len(tensors):
        raise ValueError(f"{source}: tensors stand there with and without {found.prefix!r}; remove one of each two")
    numbers = {int(match[1]) for name in own if (match := _NUMBER.search(name))}
    layers = len(numbers)
    if not numbers or numbers != set(range(layers)):
        example = next(name for name in found.tensors if LAYER in name)
        raise ValueError(f"{source}: layers are numbered {sorted(numbers)[:NAMED]}; they must be 0, 1 and so on; names "
                         f"of {found.family} are like {example}: give the map of your names")  # fmt: skip
    wanted = [name for pattern in found.tensors for name in _written(pattern, layers)]
    optional = {name for pattern in found.instead for name in _written(pattern, layers)}
    missing = [name for name in wanted if name not in own and name not in optional]
    if missing:
        near = suggestion(missing[0], own)
        raise ValueError(f"{source}: has no tensor {_some(missing)}{near}; names of {found.family} are expected: give "
                         "the map of your names")  # fmt: skip
    extra = sorted(name for name in own if _plain(name) not in _known(found))
    if extra:
        raise ValueError(f"{source}: {_some(extra)} is not a tensor of {found.family}: the model is another, or has "
                         "more than this layout; give a map with it among tensors or ignored")  # fmt: skip
    return Given(source, own, found, layers)


def settings_of(found: Given, config: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of ``pretrained_decoder`` that the shapes and ``config.json`` say, and those that are wanted.

    What a user wants must not contradict; the configuration may be empty.

    Raises:
      ValueError: if the number of heads is not known, or the config says something that the layout cannot do.
    """
    shapes = dict(_slot_shapes(found))
    lacking = [slot for slot in TOLD if len(shapes.get(slot, ())) != 2]
    if lacking:
        raise ValueError(f"{found.source}: the map gives {lacking[0]} no matrix, which says how large the model is")
    said = _from_config(found.names.family, config)
    settings: dict[str, Any] = {"family": found.names.family, "layers": found.layers}
    settings["vocabulary"], settings["width"] = shapes["embedding.tokens"]
    settings["hidden"] = shapes["feed_forward.up"][1]
    heads = said.pop("heads", wanted.get("heads"))
    if not heads:
        raise ValueError(f"{found.source}: shapes do not say how many heads a layer has, and there is no config.json "
                         "beside it that does; give the setting heads")  # fmt: skip
    inner, shared = shapes["attention.query"][1], shapes["attention.key"][1]
    if inner % int(heads):
        raise ValueError(f"{found.source}: {inner} channels of queries are not shared evenly by heads={heads}")
    settings |= {"heads": int(heads), "head_size": inner // int(heads), "groups": shared * int(heads) // inner}
    settings |= said
    if POSITIONS in shapes:
        _check_length(found, shapes[POSITIONS][0], wanted)
    other = {name: value for name, value in settings.items() if name in wanted and wanted[name] != value}
    if other:
        name, value = next(iter(other.items()))
        raise ValueError(f"{found.source}: the model has {name}={value}, the settings say {wanted[name]}; leave it out")
    return {**settings, **wanted}


def parameters(found: Given, plan: Plan) -> dict[str, Any]:
    """Parameters of the elastic network of a plan, NumPy arrays float32.

    Raises:
      ValueError: if a tensor has another shape than its parameter, or a parameter has no tensor.
    """
    tree: dict[str, Any] = {name: {} for name in ("embedding", *layer_names(plan), "head")}
    operators = largest(plan)
    for name in layer_names(plan):
        tree[name] = {part: {} for part in PARTS}
    for pattern, slots in found.names.tensors.items():
        for layer, name in enumerate(_written(pattern, found.layers)):
            array, taken = _array(found, pattern, name, layer), 0
            for slot in slots:
                part = array[..., taken : taken + array.shape[-1] // len(slots)] if len(slots) > 1 else array
                taken += part.shape[-1]
                if slot != SKIPPED:
                    _place(found, name, slot, part, *_where(tree, operators, slot, layer))
    for slot in found.names.zeros:
        for layer in range(found.layers):
            own, op = _where(tree, operators, slot, layer)
            own.setdefault(slot.rpartition(".")[2], np.zeros(blocks.shapes(op)[slot.rpartition(".")[2]], np.float32))
    _check_whole(found, tree, operators)
    return tree


_NUMBER = re.compile(r"(?<![^.])(\d+)(?![^.])")
"""The number of a layer in a name: digits between dots."""


def _plain(name: str) -> str:
    return _NUMBER.sub(LAYER, name, count=1)


def _written(pattern: str, layers: int) -> list[str]:
    return [pattern.replace(LAYER, str(at)) for at in range(layers)] if LAYER in pattern else [pattern]


def _known(names: WeightMap) -> set[str]:
    return {*names.tensors, *names.ignored}


def _bare(names: WeightMap, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name.removeprefix(names.prefix): array for name, array in tensors.items()}


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _array(found: Given, pattern: str, name: str, layer: int) -> np.ndarray:
    """A tensor as ``[in, out]``; where it is absent, the one that it then equals."""
    own = name if name in found.tensors else found.names.instead[pattern].replace(LAYER, str(layer))
    array = found.tensors[own]
    return array.T if pattern in found.names.transposed else array


def _slot_shapes(found: Given) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Shapes of the slots in the first layer.

    Raises:
      ValueError: if a tensor is neither a matrix nor a vector.
    """
    for pattern, slots in found.names.tensors.items():
        name = _written(pattern, 1)[0]
        array = _array(found, pattern, name, 0)
        if array.ndim not in (1, 2):
            raise ValueError(f"{found.source}: {name} has shape {list(array.shape)}; it must be a matrix or a vector")
        for slot in slots:
            yield slot, (*array.shape[:-1], array.shape[-1] // len(slots))


def _where(tree: Any, operators: Mapping[str, Any], slot: str, layer: int) -> tuple[dict[str, Any], Any]:
    """The dict that a slot's array stands in, and the operator whose it is."""
    part = slot.partition(".")[0]
    if part in PARTS:
        name = list(operators)[1 + layer]
        return tree[name][part], operators[name][part]
    if part not in ("embedding", "head"):
        raise ValueError(f"the map names a slot {slot!r}; slots begin with embedding, {', '.join(PARTS)} or head")
    return tree[part], operators[part]


def _place(found: Given, name: str, slot: str, array: np.ndarray, own: dict[str, Any], op: Any) -> None:
    last, shapes = slot.partition(".")[2], blocks.shapes(op)
    if last not in shapes:
        raise ValueError(f"the map names a slot {slot!r}; {op.kind} has {', '.join(shapes)}")
    wanted = shapes[last]
    if slot == POSITIONS and len(array) > wanted[0]:
        array = array[: wanted[0]]
    if array.shape != wanted:
        raise ValueError(f"{found.source}: {name} gives {slot} the shape {list(array.shape)}, the space needs "
                         f"{list(wanted)}: {op.key}")  # fmt: skip
    own[last] = np.ascontiguousarray(array)


def _check_whole(found: Given, tree: Any, operators: Mapping[str, Any]) -> None:
    for name, own in operators.items():
        pairs = own.items() if isinstance(own, dict) else [("", own)]
        for part, op in pairs:
            held = tree[name][part] if part else tree[name]
            missing = [one for one in blocks.shapes(op) if one not in held]
            if missing:
                raise ValueError(f"{found.source}: the map gives {name} {part} no {missing[0]}; add a tensor with the "
                                 "slot, or the slot to zeros")  # fmt: skip


def _check_length(found: Given, positions: int, wanted: Mapping[str, Any]) -> None:
    length = wanted.get("length", 0)
    if isinstance(length, int) and length > positions:
        raise ValueError(
            f"{found.source}: length={length}: the model knows {positions} positions; give at most as many"
        )


_SAID: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "gpt2": {
        "model_type": ("gpt2",),
        "activation_function": ("gelu_new", "gelu_pytorch_tanh"),
        "layer_norm_epsilon": (1e-5,),
        "scale_attn_by_inverse_layer_idx": (False,),
        "scale_attn_weights": (True,),
    },
    "llama": {
        "model_type": ("llama", "mistral"),
        "sliding_window": (None,),
        "hidden_act": ("silu",),
        "rope_scaling": (None,),
        "attention_bias": (False,),
        "mlp_bias": (False,),
    },
}
"""Fields of ``config.json`` whose values must be among these. Models of other types have tensors of the same names, and
compute something else with them (Granite and MiniCPM multiply embeddings and logits, Gemma adds 1 to its scales)."""


def _from_config(family: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that a model's config says.

    Raises:
      ValueError: if it says what the layout cannot do.
    """
    for name, allowed in _SAID[family].items():
        if name in config and config[name] not in allowed:
            raise ValueError(f"config.json: {name}={config[name]!r}; of {family} only {_or(allowed)} can be computed")
    if family == "gpt2":
        return {"heads": config["n_head"]} if "n_head" in config else {}
    said = {"heads": config["num_attention_heads"]} if "num_attention_heads" in config else {}
    turned = config.get("rope_parameters") or {}
    if turned.get("rope_type", "default") != "default":
        raise ValueError(f"config.json: rope_type={turned['rope_type']!r}; of llama only 'default' can be computed")
    theta = config.get("rope_theta", turned.get("rope_theta"))
    if theta is not None:
        said["theta"] = _whole("rope_theta", theta)
    if "rms_norm_eps" in config:
        said["norm"] = _whole("rms_norm_eps, as 10 to the minus,", -np.log10(config["rms_norm_eps"]))
    return said


def _whole(name: str, value: float) -> int:
    if not np.isclose(value, round(float(value))):
        raise ValueError(f"config.json: {name} is {value}; only whole numbers can be computed")
    return round(float(value))


def _or(values: Sequence[Any]) -> str:
    return " or ".join(map(repr, values))


def tensors_of(tree: Mapping[str, Any], names: WeightMap, layers: int) -> dict[str, np.ndarray]:
    """Tensors by the names of a map, of parameters as ``parameters`` gives them; tied ones are left out."""
    out = {}
    for pattern, slots in names.tensors.items():
        if pattern in names.instead:
            continue
        for layer, name in enumerate(_written(pattern, layers)):
            parts = []
            for slot in slots:
                first, _, last = slot.partition(".")
                parts.append(np.asarray((tree[f"layer{layer + 1}"] if first in PARTS else tree)[first][last]))
            array = np.concatenate(parts, -1)
            out[name] = np.ascontiguousarray(array.T if pattern in names.transposed else array)
    return out
