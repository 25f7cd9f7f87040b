"""Real art by several artists who drew the same things: what metrics are tried on.

`families.py` reads packages of emoji and draws them, `concepts.py` splits what they show,
`seen.py` keeps features, `trials.py` asks metrics, `page.py` writes what they answered.
"""
