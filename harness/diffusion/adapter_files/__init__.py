"""What an adapter file is, from its bytes alone: no network library, no base, no GPU."""
