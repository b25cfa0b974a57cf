"""The forms that a predictor ends in: what a checkpoint can hold, owned by the library, restored by name."""
