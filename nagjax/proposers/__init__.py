"""What to evaluate next: from a predictor and what is evaluated, architectures over the whole range of budgets."""
