"""Files as strangers bring them, made by code: each opens, or is refused in words.

`pictures.py`, `lists.py`, `albums.py`, `adapters.py` and `results.py` each make odd files of one
kind by name. `performance/odd_files.py` runs them all through the real commands; tests take a few.
"""
