"""What apply, delete, patch, edit and wait do: kubectl's work on objects of kapp's API.

Flags, words and exit codes are kubectl's; nothing here needs kubectl to be installed.

    api.py        requests to the engine, over its Unix socket
    manifests.py  the objects that `-f` names
    printing.py   what became of an object, and of a request that was refused
"""
