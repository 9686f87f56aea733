"""The Kappfile language: text in, `Result` out, no effect on the engine.

`kapp.kappfile.evaluate.evaluate` is the entry point; `model` is what comes out, `errors` what is
raised, `context` the guard against writing to the wrong cluster.
"""
