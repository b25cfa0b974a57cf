"""Which tensor of a file is which parameter: a table of names for each layout, and one of the user's from a file."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nagjax import files
from nagjax.names import suggestion
from nagjax.spaces.pretrained_decoder import FAMILIES

LAYER = "{layer}"
"""Stands for the number of a layer, from 0 on."""

SKIPPED = ""
"""Slot of a part that is not used."""


@dataclasses.dataclass(frozen=True)
class WeightMap:
    """Names of tensors and the parameters that they are; JSON of the same fields is a file.

    Slots are ``embedding.tokens``, ``head.weights`` and so on, of each layer ``attention.query``: parts of the space's
    parameters. Matrices are ``[in, out]``.

    Attributes:
      family: layout of the space.
      tensors: slots of each tensor; where there are several they stand side by side along its last axis.
      transposed: tensors that are ``[out, in]``.
      instead: a tensor that may be absent, and which one it then equals (a tied head).
      zeros: slots that no tensor gives.
      ignored: tensors that are no weights.
      prefix: may stand before any name.
    """

    family: str
    tensors: Mapping[str, tuple[str, ...]]
    transposed: tuple[str, ...] = ()
    instead: Mapping[str, str] = dataclasses.field(default_factory=dict)
    zeros: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    prefix: str = ""

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise ValueError(f"family {self.family!r} is not one of {', '.join(FAMILIES)}")
        named = {*self.transposed, *self.instead, *self.instead.values()}
        strangers = sorted(named - set(self.tensors))
        if strangers:
            raise ValueError(f"{strangers[0]!r} is transposed or stands instead of another, but is not among tensors")
        circles = sorted(set(self.instead) & set(self.instead.values()))
        if circles:
            raise ValueError(f"{circles[0]!r} may be absent, so it cannot stand instead of another")


def _layer(**parts: str | tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Slots by what stands behind the layer's number; ``__`` is a dot."""
    return {name.replace("__", "."): (slots,) if isinstance(slots, str) else slots for name, slots in parts.items()}


def _inward(end: str) -> tuple[str, ...]:
    return tuple(f"attention.{name}{end}" for name in ("query", "key", "value"))


_GPT2 = _layer(
    ln_1__weight="attention.scale",
    ln_1__bias="attention.offset",
    attn__c_attn__weight=_inward(""),
    attn__c_attn__bias=_inward("_bias"),
    attn__c_proj__weight="attention.out",
    attn__c_proj__bias="attention.out_bias",
    ln_2__weight="feed_forward.scale",
    ln_2__bias="feed_forward.offset",
    mlp__c_fc__weight="feed_forward.up",
    mlp__c_fc__bias="feed_forward.up_bias",
    mlp__c_proj__weight="feed_forward.down",
    mlp__c_proj__bias="feed_forward.down_bias",
)
_LLAMA = _layer(
    input_layernorm__weight="attention.scale",
    self_attn__q_proj__weight="attention.query",
    self_attn__k_proj__weight="attention.key",
    self_attn__v_proj__weight="attention.value",
    self_attn__o_proj__weight="attention.out",
    post_attention_layernorm__weight="feed_forward.scale",
    mlp__gate_proj__weight="feed_forward.gate",
    mlp__up_proj__weight="feed_forward.up",
    mlp__down_proj__weight="feed_forward.down",
)

MAPS: Mapping[str, WeightMap] = {
    "gpt2": WeightMap(
        family="gpt2",
        tensors={
            "wte.weight": ("embedding.tokens",),
            "wpe.weight": ("embedding.positions",),
            **{f"h.{LAYER}.{name}": slots for name, slots in _GPT2.items()},
            "ln_f.weight": ("head.scale",),
            "ln_f.bias": ("head.offset",),
            "lm_head.weight": ("head.weights",),
        },
        transposed=("lm_head.weight",),
        instead={"lm_head.weight": "wte.weight"},
        zeros=("head.bias",),
        ignored=(f"h.{LAYER}.attn.bias", f"h.{LAYER}.attn.masked_bias"),
        prefix="transformer.",
    ),
    "llama": WeightMap(
        family="llama",
        tensors={
            "embed_tokens.weight": ("embedding.tokens",),
            **{f"layers.{LAYER}.{name}": slots for name, slots in _LLAMA.items()},
            "norm.weight": ("head.scale",),
            "lm_head.weight": ("head.weights",),
        },
        transposed=("lm_head.weight", *(f"layers.{LAYER}.{name}" for name in _LLAMA if name.endswith("proj.weight"))),
        instead={"lm_head.weight": "embed_tokens.weight"},
        ignored=(f"layers.{LAYER}.self_attn.rotary_emb.inv_freq",),
        prefix="model.",
    ),
}
"""Names that the files of both layouts usually have."""


def read_map(path: Path) -> WeightMap:
    """The map of a JSON file: an object of the fields of ``WeightMap``; slots of a tensor are a text or a list.

    Raises:
      ValueError: if the file is damaged, or a field is not known, missing or of another kind.
    """
    text = files.read_text(path, "the map of names (JSON)")
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{path}: is no JSON ({error}); write an object of family and tensors") from None
    known = [field.name for field in dataclasses.fields(WeightMap)]
    if not isinstance(found, dict) or not {"family", "tensors"} <= set(found):
        raise ValueError(f"{path}: must be an object of {', '.join(known)}; family and tensors cannot be left out")
    unknown = sorted(set(found) - set(known))
    if unknown:
        raise ValueError(f"{path}: {unknown[0]!r} is not one of {', '.join(known)}{suggestion(unknown[0], known)}")
    try:
        return WeightMap(**{name: _field(name, value) for name, value in found.items()})
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _field(name: str, value: Any) -> Any:
    if name in ("family", "prefix"):
        fine, made = isinstance(value, str), value
    elif name == "tensors":
        fine = isinstance(value, dict) and all(isinstance(one, str) or _texts(one) for one in value.values())
        made = {key: (one,) if isinstance(one, str) else tuple(one) for key, one in value.items()} if fine else value
    elif name == "instead":
        fine, made = isinstance(value, dict) and _texts(list(value.values())), value
    else:
        fine, made = _texts(value), tuple(value) if isinstance(value, list) else value
    if not fine:
        raise ValueError(f"{name} is {value!r:.80}; see nagjax.pretrained.maps.WeightMap for its form")
    return made


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)
