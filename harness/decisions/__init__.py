"""Results beside each other: what differs, what is noise, what may pass. Pure, but for files."""
