"""Kinds: how a predictor is fitted. Each ends in one of the forms."""
