"""The command line, one command a file. Kept empty: the instant path imports through here."""
