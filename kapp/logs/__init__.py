"""The log store: what resources print, kept as bytes within a budget."""
