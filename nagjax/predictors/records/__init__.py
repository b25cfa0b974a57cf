"""Labelled architectures: the files they stand in, their labels, and every fault with its place."""
