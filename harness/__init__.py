"""harness: knowing whether a style LoRA is any good.

The public face is `harness.api`; importing this package loads nothing else.
"""

__version__ = "0.1.0"
