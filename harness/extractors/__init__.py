"""Networks that turn images (and prompts) into features, one file each."""
