"""The space ``plain_cnn``: one to three 3x3 convolutions of 8, 16 or 32 channels, then a classifier.

Text: the widths, ``16-32``; there are as many as layers.
"""

from nagjax.spaces import Decision, Edge, Operator, Space, build

DEPTHS = (1, 2, 3)
WIDTHS = (8, 16, 32)
SIZE = 16
NAMES = tuple(f"depth{depth}" for depth in DEPTHS) + tuple(f"layer{i}.{w}" for i in DEPTHS for w in WIDTHS)


def make(classes: int = 10) -> Space:
    """The space of 3 + 9 + 27 networks for 16-pixel images."""

    def edges(t, node):
        if t == 0:
            return [Edge(c, (depth, 3), features=(f"depth{depth}",)) for c, depth in enumerate(DEPTHS)]
        if node == "done":
            return [Edge(0, "done")]
        left, channels = node
        return [layer(t, c, width, left, channels) for c, width in enumerate(WIDTHS)]

    def layer(t, choice, width, left, channels):
        conv = Operator("conv", SIZE, SIZE, channels, width, kernel=3)
        head = Operator("pool", SIZE, 1, width, width, kernel=SIZE), Operator("linear", 1, 1, width, classes)
        after, operators = ((left - 1, width), (conv,)) if left > 1 else ("done", (conv, *head))
        return Edge(choice, after, operators, (f"layer{t}.{width}",))

    graph, operators = build(4, "start", edges, NAMES)
    return Space(
        name="plain_cnn",
        version=1,
        settings={"classes": classes},
        decisions=(
            Decision("depth", "depth", tuple({"depth": depth} for depth in DEPTHS)),
            *(Decision(f"layer{i}", "layer", tuple({"width": width} for width in WIDTHS)) for i in DEPTHS),
        ),
        trellis=graph,
        operators=operators,
        feature_names=NAMES,
        parse_text=parse,
        format_tokens=lambda tokens: "-".join(widths(tokens)),
        describe_tokens=lambda tokens: f"{len(widths(tokens))} layers: {', '.join(widths(tokens))} channels",
    )


def widths(tokens):
    """Widths of the layers that there are, as text."""
    depth, *layers = tokens
    return [str(WIDTHS[token]) for token in layers[: DEPTHS[depth]]]


def parse(text):
    """Choices of a text such as 16-32; layers that there are not have choice 0."""
    fields, known = text.split("-"), list(map(str, WIDTHS))
    if len(fields) not in DEPTHS or any(field not in known for field in fields):
        raise ValueError(f"architecture {text!r} is not one to three widths of {', '.join(known)}, such as 16-32")
    layers = [known.index(field) for field in fields]
    return [DEPTHS.index(len(fields)), *layers, *[0] * (len(DEPTHS) - len(layers))]
