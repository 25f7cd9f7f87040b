"""The dashboard: thin pages over `harness.browse`; no network library is loaded here."""
