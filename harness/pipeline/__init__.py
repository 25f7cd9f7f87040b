"""From a recipe and a benchmark to a result: plan the steps and make what is missing."""
