"""Scores: pure float64 mathematics on features, one file each."""
