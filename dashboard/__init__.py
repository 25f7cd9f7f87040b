"""The dashboard: thin views over `harness.views`. It loads no network library."""
