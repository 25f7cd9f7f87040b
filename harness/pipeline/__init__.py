"""From a recipe and a benchmark to a result: plan the steps and make what is missing.

To add something: a stage is a line in `stages/__init__.py` with a module beside it, a spec in
`pages/stages.py`, a name in `records.StageName`, and its place in `training_steps.py` or
`judging_steps.py`. How a step's key is computed is in `harness/keys.py`.
"""
