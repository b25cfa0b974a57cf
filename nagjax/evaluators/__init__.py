"""The truth: what an architecture is worth once it is trained, built or measured. Expensive, and on the host."""
