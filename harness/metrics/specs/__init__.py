"""The words that name our metrics on a benchmark page, by family. Imports no network library."""
