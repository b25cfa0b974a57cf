"""The flags that describe what a job works on, and what is built from them."""
