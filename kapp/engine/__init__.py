"""The composition root: the one place where kapp's parts are wired together.

`engine` runs one project; `wiring` connects its controllers; `routes` is what the command line asks
an engine over its Unix socket; `down` works without one; `project` names a project.
"""
