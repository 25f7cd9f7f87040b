"""Rows in, kept rows with their prompts out: the rules, and the two engines that ask them."""
