"""What a benchmark's page may say of each metric, one module a family.

To add a metric: its spec here, its formula in a module of `harness/metrics/`, and its word under
`harness.metrics` in pyproject.toml.
"""
