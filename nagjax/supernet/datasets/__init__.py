"""Labelled images for the supernet: readers for files of each format, and one `load` that makes three splits."""
