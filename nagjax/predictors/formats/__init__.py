"""Predictors in files: ours, the once-for-all networks', and those of plugins."""
