"""kapp's own kinds: structs, defaults, validation and columns in `v1alpha1/`, one file a kind.

`define` turns a struct into what a server serves, `schema` writes its OpenAPI, and `typed` reads
and writes objects as structs.
"""
