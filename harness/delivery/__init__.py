"""Out of the house: exported adapters, a drawing service, statistics for other tools."""
