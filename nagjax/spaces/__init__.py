"""What can be built: the search spaces; here is what a space of your own is made of (docs/spaces.md)."""

from nagjax.operators import Operator
from nagjax.spaces.chains import chain
from nagjax.spaces.space import Decision, Space
from nagjax.spaces.trellis import Edge, build

__all__ = ["Decision", "Edge", "Operator", "Space", "build", "chain"]
