"""What the API server refuses, with its messages and field paths. Pure functions that return causes.

Types, unknown fields and fields that a schema requires are the schema's business (the registry
checks them); here is what schemas cannot say.
"""
