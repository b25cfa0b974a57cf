"""Asking a generator: what is asked, what the policy answers, what ``best`` looks up, and what is given back."""
