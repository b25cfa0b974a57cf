"""What is optimised: a space, what its architectures cost in ticks, and how good they are."""
