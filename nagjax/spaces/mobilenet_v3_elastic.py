"""The elastic network of the MobileNetV3 family: one set of weights that holds every architecture of a space.

Each block owns the weights of its largest choice. A smaller choice takes the first channels of the expansion and a
kernel made from the centre of the larger one by a learned matrix (once-for-all, Cai et al., arXiv 1908.09791, section
3.3), and then is the same operator as in a network of its own: `subnet` gives exactly its parameters.
The choice is data, not shape: one compiled program serves all architectures of a resolution, and computes only the
chosen branch.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from nagjax import blocks
from nagjax.elastic import Alone, Elastic, Outputs, Watched, Watcher, switch
from nagjax.operators import Operator
from nagjax.operators.kind import Applied
from nagjax.spaces import mobilenet_v3
from nagjax.spaces.elastic_chain import shrink
from nagjax.spaces.mobilenet_v3 import Plan

Block = Mapping[str, jax.Array]
"""Parameters of an elastic block: those of its largest operator, and ``transform{k}`` ``[k*k, k*k]`` to kernel k."""

Used = tuple[blocks.Statistics, ...]
TAPS = "taps"


def elastic(plan: Plan, dtype: Any = jnp.float32) -> Elastic:
    """The elastic network of a plan.

    Points are ``stem0``, ..., ``unit1_block1``, ..., ``head0``, ...: what an operator or block gives, ``[N, H, W, C]``.
    The activations that can be watched are ``unit1_block1.expand``, ``.depthwise``, ``.squeeze`` and so on.
    """
    network = Supernet(plan, dtype)
    parts = len(plan.stem(plan.resolutions[-1])), len(plan.head(plan.resolutions[-1]))
    names = [f"unit{unit + 1}_block{slot + 1}" for unit in range(plan.units) for slot in range(plan.slots)]

    def init(key: jax.Array) -> Any:
        side = plan.resolutions[-1]
        tokens = jnp.zeros(1 + plan.units * (1 + plan.slots), jnp.int32).at[0].set(len(plan.resolutions) - 1)
        return network.init(key, jnp.zeros((1, side, side, plan.image_channels)), tokens)["params"]

    def apply(
        parameters: Any, inputs: jax.Array, tokens: jax.Array, statistics: Any = None, taps: Sequence[str] = ()
    ) -> Outputs:
        variables = {"params": parameters}
        if not taps:
            logits, used = network.apply(variables, inputs, tokens, statistics)
            return Outputs(logits, used, {})
        (logits, used), told = network.apply(variables, inputs, tokens, statistics, mutable=[TAPS])
        return Outputs(logits, used, {name: told[TAPS][name][0] for name in taps})

    def watched(
        parameters: Any, inputs: jax.Array, tokens: jax.Array, gates: Mapping[str, jax.Array] | None = None
    ) -> Watched:
        return Watched(*network.apply({"params": parameters}, inputs, tokens, gates or {}, method="watched"))

    def alone(tokens: np.ndarray) -> Alone:
        operators = mobilenet_v3.operators(plan, [int(token) for token in tokens])
        own = blocks.Network(operators, dtype)
        shape = blocks.input_shape(operators[0], 1)
        return Alone(
            lambda key: own.init(key, jnp.zeros(shape))["params"],
            lambda parameters, inputs, statistics: _float32(*own.apply({"params": parameters}, inputs, statistics)),
            operators,
        )

    def example(group: Hashable, num: int, rng: np.random.Generator) -> np.ndarray:
        side = plan.resolutions[-1] if not isinstance(group, int) else group
        return rng.normal(size=(num, side, side, plan.image_channels)).astype(np.float32)

    return Elastic(
        sizes={"image_channels": plan.image_channels, "classes": plan.classes},
        init=init,
        apply=apply,
        group=lambda tokens: int(plan.resolutions[tokens[0]]),
        used=lambda parameters, tokens: subnet(plan, parameters, [int(token) for token in tokens]),
        alone=alone,
        example=example,
        points=(*(f"stem{at}" for at in range(parts[0])), *names, *(f"head{at}" for at in range(parts[1]))),
        watched=watched,
        mixed=functools.partial(_mixed, plan, dtype) if _mixes(plan) else None,
        quiet=lambda parameters: _quiet(plan, parameters),
    )


def _float32(logits: jax.Array, statistics: Used) -> tuple[jax.Array, Used]:
    return logits.astype(jnp.float32), statistics


def _mixes(plan: Plan) -> bool:
    """Whether all choices of a block have the same layers; one of ratio 1 does not expand, so it lies in no other."""
    side = plan.resolutions[-1]
    blocks_of = [(unit, slot) for unit in range(plan.units) for slot in range(plan.slots)]
    return all(
        len({frozenset(blocks.shapes(plan.block(side, *at, *choice))) for choice in plan.blocks}) == 1
        for at in blocks_of
    )


def _mixed(plan: Plan, dtype: Any, parameters: Mapping[str, Block], images: jax.Array, probs: jax.Array) -> jax.Array:
    """Logits float32 ``[N, classes]`` of mixed weights (TangleNAS, Sukthanker et al., arXiv 2312.10440).

    A block is its largest operator, whose weights are the sum of those of all choices, padded with 0 to its shapes. A
    unit gives the sum of what comes out after each of its depths.
    """
    x, resolution = images.astype(dtype), images.shape[1]
    for at, op in enumerate(plan.stem(resolution)):
        x = blocks.apply(op, parameters[f"stem{at}"], x)[0]
    for unit in range(plan.units):
        first, reached = 1 + unit * (1 + plan.slots), []
        for slot in range(plan.slots):
            op, share = _largest_at(plan, resolution, unit, slot), probs[first + 1 + slot]
            elastic = parameters[f"unit{unit + 1}_block{slot + 1}"]
            choices = [plan.block(resolution, unit, slot, *choice) for choice in plan.blocks]
            parts = [_padded(shrink(one, elastic), blocks.shapes(op)) for one in choices]
            own = jax.tree.map(lambda *each, s=share: sum(p * leaf for p, leaf in zip(s, each, strict=False)), *parts)
            x = blocks.apply(op, own, x)[0]
            reached.append(x)
        depths = zip(plan.depths, probs[first], strict=False)
        x = jnp.stack([p.astype(x.dtype) * reached[depth - 1] for depth, p in depths]).sum(0)
    for at, op in enumerate(plan.head(resolution)):
        x = blocks.apply(op, parameters[f"head{at}"], x)[0]
    return x.astype(jnp.float32)


def _padded(part: Block, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, jax.Array]:
    """Parameters with 0 around them up to larger shapes: channels are the first, kernels stand in the middle."""

    def pad(name: str, weights: jax.Array) -> jax.Array:
        more = [wide - own for wide, own in zip(shapes[name], weights.shape, strict=True)]
        around = name == "depthwise"
        return jnp.pad(weights, [(m // 2, m // 2) if around and axis < 2 else (0, m) for axis, m in enumerate(more)])

    return {name: pad(name, weights) for name, weights in part.items()}


def _quiet(plan: Plan, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters with 0 as the scale of the last norm of every block with a residual connection."""
    residual = [f"stem{at}" for at, op in enumerate(plan.stem(plan.resolutions[-1])) if op.skip]
    residual += [f"unit{unit + 1}_block{slot + 1}" for unit in range(plan.units) for slot in range(1, plan.slots)]
    return {
        name: {**part, "project_norm_scale": jnp.zeros_like(part["project_norm_scale"])} if name in residual else part
        for name, part in parameters.items()
    }


class Supernet(nn.Module):
    """The elastic network of a plan, as a flax module.

    Attributes:
      plan: sizes and choices.
      dtype: of the computation; parameters and statistics are float32.
    """

    plan: Plan
    dtype: Any = jnp.float32

    def setup(self) -> None:
        """Declare ``stem0`` ..., ``unit1_block1`` ..., ``head0`` ...; no shape depends on a resolution."""
        largest = self.plan.resolutions[-1]
        self.stem = [
            self.param(f"stem{at}", lambda key, op=op: blocks.init(key, op))
            for at, op in enumerate(self.plan.stem(largest))
        ]
        self.blocks = [
            self.param(f"unit{unit + 1}_block{slot + 1}", functools.partial(init_elastic, self.plan, unit, slot))
            for unit in range(self.plan.units)
            for slot in range(self.plan.slots)
        ]
        self.head = [
            self.param(f"head{at}", lambda key, op=op: blocks.init(key, op))
            for at, op in enumerate(self.plan.head(largest))
        ]

    def __call__(self, images: jax.Array, tokens: jax.Array, statistics: Used | None = None) -> tuple[jax.Array, Used]:
        """Logits float32 ``[N, classes]`` of one architecture, and the statistics used, a mapping a block.

        Images ``[N, R, R, C]`` are standardised, at the architecture's resolution (``check_tokens`` refuses others);
        tokens int32 ``[T]`` are traced. Statistics are of an earlier call with the same tokens; those of the batch
        where None.
        """
        plan, resolution = self.plan, images.shape[1]
        x, used = images.astype(self.dtype), []
        given = iter(statistics) if statistics is not None else None

        def fixed(op: Operator, parameters: blocks.Parameters, x: jax.Array) -> jax.Array:
            y, taken = blocks.apply(op, parameters, x, next(given) if given else None)
            used.append(taken)
            return y

        for at, (op, parameters) in enumerate(zip(plan.stem(resolution), self.stem, strict=True)):
            x = fixed(op, parameters, x)
            self._tell(f"stem{at}", x)
        for at, elastic in enumerate(self.blocks):
            unit, slot = divmod(at, plan.slots)
            branch = branch_index(plan, tokens, unit, slot)
            x, taken = apply_elastic(plan, resolution, unit, slot)(branch, elastic, x, next(given) if given else None)
            used.append(taken)
            self._tell(f"unit{unit + 1}_block{slot + 1}", x)
        for at, (op, parameters) in enumerate(zip(plan.head(resolution), self.head, strict=True)):
            x = fixed(op, parameters, x)
            self._tell(f"head{at}", x)
        return x.astype(jnp.float32), tuple(used)

    def watched(
        self, images: jax.Array, tokens: jax.Array, gates: Mapping[str, jax.Array]
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """Logits with statistics of the batch, and what goes into every activation: see ``Elastic.watched``."""
        plan, resolution = self.plan, images.shape[1]
        x, before = images.astype(self.dtype), dict[str, jax.Array]()

        def tell(part: str, told: Mapping[str, jax.Array]) -> None:
            before.update({f"{part}.{name}": value for name, value in told.items()})

        def fixed(part: str, op: Operator, parameters: blocks.Parameters, x: jax.Array) -> jax.Array:
            watch = Watcher(_of_part(part, gates))
            y = blocks.watched(op, parameters, x, watch)
            tell(part, watch.before)
            return y

        for at, (op, parameters) in enumerate(zip(plan.stem(resolution), self.stem, strict=True)):
            x = fixed(f"stem{at}", op, parameters, x)
        for at, elastic in enumerate(self.blocks):
            unit, slot = divmod(at, plan.slots)
            part, branch = f"unit{unit + 1}_block{slot + 1}", branch_index(plan, tokens, unit, slot)
            x, told = watch_elastic(plan, resolution, unit, slot)(branch, elastic, _of_part(part, gates), x)
            tell(part, told)
        for at, (op, parameters) in enumerate(zip(plan.head(resolution), self.head, strict=True)):
            x = fixed(f"head{at}", op, parameters, x)
        return x.astype(jnp.float32), before

    def _tell(self, name: str, x: jax.Array) -> None:
        if not self.is_initializing():
            self.sow(TAPS, name, x)  # costs nothing where nobody asks for it


def init_elastic(plan: Plan, unit: int, slot: int, key: jax.Array) -> dict[str, jax.Array]:
    """Fresh parameters of an elastic block; kernel transforms start as the identity."""
    out = blocks.init(key, _largest(plan, unit, slot))
    return out | {f"transform{k}": jnp.eye(k * k) for k in plan.kernels[:-1]}


def branch_index(plan: Plan, tokens: jax.Array, unit: int, slot: int) -> jax.Array:
    """Branch of a block, int32: 0 where it lies beyond the unit's depth, else 1 + its choice."""
    first = 1 + unit * (1 + plan.slots)
    depth = jnp.asarray(plan.depths)[tokens[first]]
    return jnp.where(slot < depth, 1 + tokens[first + 1 + slot], 0).astype(jnp.int32)


def subnet(plan: Plan, parameters: Mapping[str, Any], tokens: Sequence[int]) -> dict[str, Any]:
    """Parameters of ``blocks.Network(mobilenet_v3.operators(plan, tokens))`` as they are in the supernet.

    ``parameters`` are the supernet's ``variables["params"]``, tokens canonical, ``[T]``.
    """
    _, kernels, _ = mobilenet_v3.settings(plan, tokens)
    resolution = plan.resolutions[tokens[0]]
    parts = [parameters[f"stem{at}"] for at in range(len(plan.stem(resolution)))]
    body = mobilenet_v3.operators(plan, tokens)[len(parts) :]
    slots = [at for at, kernel in enumerate(kernels) if kernel]
    for at, op in zip(slots, body[: len(slots)], strict=True):
        unit, slot = divmod(at, plan.slots)
        parts.append(shrink(op, parameters[f"unit{unit + 1}_block{slot + 1}"]))
    parts += [parameters[f"head{at}"] for at in range(len(plan.head(resolution)))]
    return {f"op{at}": part for at, part in enumerate(parts)}


def _largest(plan: Plan, unit: int, slot: int) -> Operator:
    return _largest_at(plan, plan.resolutions[-1], unit, slot)


def _largest_at(plan: Plan, resolution: int, unit: int, slot: int) -> Operator:
    return plan.block(resolution, unit, slot, plan.kernels[-1], plan.ratios[-1])


Apply = Callable[[jax.Array, Block, jax.Array, blocks.Statistics | None], Applied]


@functools.lru_cache(maxsize=512)
def apply_elastic(plan: Plan, resolution: int, unit: int, slot: int) -> Apply:
    """What an elastic block does: ``(branch, parameters, x, statistics) -> (y, statistics)``."""
    largest = _largest(plan, unit, slot)
    names = {name.removesuffix("_scale"): shape for name, shape in blocks.shapes(largest).items() if "scale" in name}
    branches = [functools.partial(_skipped, names)] if slot else []
    first = 0 if slot else 1
    branches += [
        functools.partial(_chosen, plan.block(resolution, unit, slot, *choice), names) for choice in plan.blocks
    ]
    switched = switch(branches)
    return lambda branch, elastic, x, given: switched(branch - first, elastic, x, given)


def watch_elastic(plan: Plan, resolution: int, unit: int, slot: int) -> Callable[..., Any]:
    """What an elastic block does when it is watched: ``(branch, parameters, gates, x) -> (y, before)``.

    All choices tell of the activations of the widest; what a choice lacks is NaN.
    """
    widest = plan.block(resolution, unit, slot, plan.kernels[-1], plan.ratios[-1])

    def run(op: Operator | None, both: Any, x: jax.Array, _: Any) -> tuple[jax.Array, dict[str, jax.Array]]:
        elastic, gates = both
        watch = Watcher(gates)
        y = x if op is None else blocks.watched(op, shrink(op, elastic), x, watch)
        return y, {name: _filled(watch.before.get(name), like) for name, like in _watched_of(widest, x).items()}

    chosen: list[Operator | None] = [None] if slot else []
    chosen += [plan.block(resolution, unit, slot, *choice) for choice in plan.blocks]
    switched = switch([functools.partial(run, op) for op in chosen])
    return lambda branch, elastic, gates, x: switched(branch - (0 if slot else 1), (elastic, gates), x, None)


def _watched_of(op: Operator, x: jax.Array) -> dict[str, jax.ShapeDtypeStruct]:
    """Shapes of what goes into the activations of an operator on ``x``."""

    def run(parameters: blocks.Parameters, x: jax.Array) -> dict[str, jax.Array]:
        watch = Watcher({})
        blocks.watched(op, parameters, x, watch)
        return watch.before

    given = {name: jax.ShapeDtypeStruct(shape, jnp.float32) for name, shape in blocks.shapes(op).items()}
    shapes: dict[str, jax.ShapeDtypeStruct] = jax.eval_shape(run, given, x)
    return shapes


def _filled(value: jax.Array | None, like: jax.ShapeDtypeStruct) -> jax.Array:
    """A value with NaN in the channels that it lacks."""
    if value is None:
        return jnp.full(like.shape, jnp.nan, like.dtype)
    lacking = like.shape[-1] - value.shape[-1]
    return jnp.pad(value, [(0, 0)] * (value.ndim - 1) + [(0, lacking)], constant_values=jnp.nan)


def _of_part(part: str, gates: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
    """The gates of an operator or block, by the names that it has for its own activations."""
    return {name.removeprefix(f"{part}."): gate for name, gate in gates.items() if name.startswith(f"{part}.")}


def _chosen(op: Operator, names: Mapping[str, tuple[int, ...]], elastic: Block, x: jax.Array, given: Any) -> Any:
    """The block as one of its choices; statistics are padded to the widest, those of norms that it lacks are 0."""
    parameters = shrink(op, elastic)
    widths = {name: len(parameters[f"{name}_scale"]) for name in names if f"{name}_scale" in parameters}
    mine = None if given is None else {n: (given[n][0][:width], given[n][1][:width]) for n, width in widths.items()}
    y, used = blocks.apply(op, parameters, x, mine)
    nothing = {name: (jnp.zeros(shape), jnp.zeros(shape)) for name, shape in names.items()}
    return y, nothing | {n: (_widen(m, names[n][0]), _widen(v, names[n][0])) for n, (m, v) in used.items()}


def _skipped(names: Mapping[str, tuple[int, ...]], _elastic: Block, x: jax.Array, _given: Any) -> Any:
    """A block beyond the depth."""
    return x, {name: (jnp.zeros(shape), jnp.zeros(shape)) for name, shape in names.items()}


def _widen(values: jax.Array, width: int) -> jax.Array:
    return jnp.pad(values, (0, width - len(values)))
