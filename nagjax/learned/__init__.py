"""Costs learned from measured whole networks: how they are fitted, judged, bounded and made prices of edges."""
