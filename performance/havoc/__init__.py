"""What may befall a run, done on purpose: see `chaos.py`."""
