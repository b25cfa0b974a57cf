"""Published systems by name: what each claims, the command that runs it here, and what was measured."""
