"""Results beside each other: what differs, what is noise, what may pass. Pure, but for files.

To add something: a rule of the gate in `gate.py` and `check.py`; how boards are ranked in
`leaderboard.py`, by which metric in `ranking.py`. What a metric must notice to be asked at all is
in `metrics/licence.py`. The statistics are in `metrics/statistics/`, the words in `report/`.
"""
