"""Controllers x problems x seeds x limits: tasks, runs, figures, rows and the page."""
