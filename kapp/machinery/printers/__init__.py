"""`kapp get`, rendered where the objects are: byte for byte what kubectl would print.

    run_get(registry, args) -> GetResult                 everything but -w; never raises
    run_describe, run_explain, run_api_resources         likewise
    watch_get(registry, args) -> Watching                with -w: text to take, bit by bit
    parse_get(args) -> GetOptions                        the command line; raises UsageError
    error_text(error) -> str                             an error as the command shows it

    options ─▶ targets (which objects) ─▶ get / watch ─▶ tables (server-side columns, tabwriter)
                                                      └─▶ formats (yaml, json, name, jsonpath, …)

Pure but for the registry it is given and the files that options name.
"""

from kapp.machinery.printers.describe import run_describe
from kapp.machinery.printers.explain import run_explain
from kapp.machinery.printers.get import GetResult, error_text, run_get
from kapp.machinery.printers.options import GetOptions, parse_get
from kapp.machinery.printers.resources import run_api_resources
from kapp.machinery.printers.watch import Watching, watch_get

__all__ = [
    "GetOptions",
    "GetResult",
    "Watching",
    "error_text",
    "parse_get",
    "run_api_resources",
    "run_describe",
    "run_explain",
    "run_get",
    "watch_get",
]
