"""What `performance/gpu.py` measures on a card, a module for each part."""
