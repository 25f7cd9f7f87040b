"""What a person writes: recipes, benchmarks, suites, policies; and how a mistake is told."""
