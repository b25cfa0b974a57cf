"""The space ``vectors``: three residual perceptrons, each of 8 or 16 hidden units or left out; and its elastic network.

Text: ``hidden1=8,hidden2=0,hidden3=16``.
"""

import dataclasses

import jax
import jax.numpy as jnp
from nagjax_vectors_operator import perceptron

from nagjax.authoring import Alone, Decision, Elastic, Network, Operator, Outputs, Space, chain, init, run, switch

HIDDEN = (0, 8, 16)
WIDTH = 12


def make(features: int = 4, outputs: int = 1) -> Space:
    """The space of 27 networks."""
    stem, head = perceptron(features, 8, WIDTH), Operator("linear", 1, 1, WIDTH, outputs, norm=False)
    blocks = [None, *(perceptron(WIDTH, hidden, WIDTH) for hidden in HIDDEN[1:])]

    def operators(t, choice, before):
        own = blocks[HIDDEN.index(choice["hidden"])]
        return [op for op in (stem if t == 0 else None, own, head if t == 2 else None) if op]

    def elastic(dtype):
        return make_elastic(stem, blocks, head, {"features": features, "outputs": outputs})

    choices = tuple({"hidden": hidden} for hidden in HIDDEN)
    decisions = [Decision(f"hidden{t}", "hidden", choices) for t in (1, 2, 3)]
    space = chain("vectors", decisions, operators, settings={"features": features, "outputs": outputs})
    return dataclasses.replace(space, elastic=elastic)


def make_elastic(stem, blocks, head, sizes) -> Elastic:
    """One set of weights: a block of 8 hidden units is the first 8 of the block of 16."""
    names = ("block1", "block2", "block3")
    largest = {"stem": stem, **dict.fromkeys(names, blocks[-1]), "head": head}

    def first(op, part):
        cut = slice(0, op.mid_channels)
        return {**part, "up": part["up"][:, cut], "up_bias": part["up_bias"][cut], "down": part["down"][cut]}

    def branch(op):
        return lambda part, x, _: (run(op, first(op, part), x)[0] if op else x, ())

    chosen = switch([branch(op) for op in blocks])

    def apply(parameters, inputs, tokens, statistics=None, taps=()):
        x, told = run(stem, parameters["stem"], inputs)[0], {}
        for at, name in enumerate(names):
            x, _ = chosen(tokens[at], parameters[name], x, ())
            told[name] = x
        outputs = run(head, parameters["head"], x)[0].astype(jnp.float32)
        return Outputs(outputs, (), {name: told[name] for name in taps})

    def parts(tokens):
        taken = [(name, blocks[token]) for name, token in zip(names, tokens, strict=True) if token]
        return [("stem", stem), *taken, ("head", head)]

    def used(parameters, tokens):
        own = [first(op, parameters[name]) if name in names else parameters[name] for name, op in parts(tokens)]
        return {f"op{at}": part for at, part in enumerate(own)}

    def alone(tokens):
        network = Network(tuple(op for _, op in parts(tokens)))
        return Alone(
            init=lambda key: network.init(key, jnp.zeros((1, sizes["features"])))["params"],
            apply=lambda parameters, inputs, statistics: network.apply({"params": parameters}, inputs, statistics),
            operators=network.operators,
        )

    return Elastic(
        sizes=sizes,
        init=lambda key: {name: init(jax.random.fold_in(key, at), op) for at, (name, op) in enumerate(largest.items())},
        apply=apply,
        group=lambda tokens: 0,
        used=used,
        alone=alone,
        example=lambda group, num, rng: rng.normal(size=(num, sizes["features"])).astype("float32"),
        points=names,
    )
