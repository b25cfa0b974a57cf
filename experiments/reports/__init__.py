"""Pages, plots and tables that jobs write."""
