"""The ranker R(architecture | budget): dominance under a budget, and a network that learns it."""
