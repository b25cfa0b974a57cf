"""An answer as a network that runs: its own weights, ONNX, int8, StableHLO, and what it takes where it runs."""
