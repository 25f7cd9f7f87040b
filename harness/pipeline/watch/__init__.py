"""What can be seen of a run while it works: bars in a terminal, notes for the dashboard."""
