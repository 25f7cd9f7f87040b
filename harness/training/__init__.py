"""Training: from encoded sets to weights, with every draw, loss, step and process on the way.

To add something: an optimizer in `specs.py` and `optimizers.py`, named in pyproject.toml; a loss in
`losses.py`; a schedule in `schedules.py`. The fields of the page are in `pages/train.py`.
"""
