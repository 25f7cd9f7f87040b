"""Training: from encoded sets to weights, with every draw, loss, step and process on the way."""
