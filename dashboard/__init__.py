"""The dashboard: thin views over `harness.views`. It loads no network library.

A new view is a line in `pages/main.py`, a file beside it, and its values in `harness/views/`.
"""
