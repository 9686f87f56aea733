"""What the API server refuses, in its words and with its field paths. Pure functions.

Types, unknown fields and fields that a schema requires are the schema's business (the registry
checks them); here is what schemas cannot say.
"""
