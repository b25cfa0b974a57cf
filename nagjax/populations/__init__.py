"""Populations of architectures: archives, what was found, tournaments, variation, exact search of sums."""
