"""Files that profilers of other runtimes write: one module a tool, each gives ``Timings``."""
