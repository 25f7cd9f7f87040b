"""Who runs the steps; which one it was cannot be seen in what was made."""
