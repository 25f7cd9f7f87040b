"""Any result or decision as text, Markdown, HTML or JUnit.

How a number with its interval is written is in `numbers.py`; each other module is named for what
it shows.
"""
