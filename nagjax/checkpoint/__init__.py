"""Checkpoints: self-describing folders of steps, sealed, read without plugins."""
