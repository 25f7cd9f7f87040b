"""Pictures and words: where they come from, which are kept, what text they are given."""
