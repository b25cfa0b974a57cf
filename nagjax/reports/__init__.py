"""The report of a generator: one HTML page, its front as CSV and PNG, and its answers as tables."""
