"""Train the pocket models again, from a seed; no run needs this."""
