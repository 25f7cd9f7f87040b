"""Results beside each other: what differs, what is noise, what may pass. Pure, but for files.

To add something: a rule of the gate in `gate.py` and `check.py`; a damage of the sanity card is a
row in `sanity.py`, made by `pipeline/stages/treat.py`; how boards are ranked in `leaderboard.py`.
The statistics are in `metrics/statistics/`, the words in `report/`.
"""
