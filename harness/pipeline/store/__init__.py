"""Where finished folders lie: on this machine, elsewhere, and how both are kept in order."""
