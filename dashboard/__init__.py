"""The dashboard: thin pages over `harness.views`; no network library is loaded here."""
