"""From declared objects and options to resources: pure functions, by topic."""
