"""A trained adapter for the world: files that others load, a card, and a place on the hub."""
