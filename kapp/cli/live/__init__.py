"""`kapp up` on a terminal: the resources at the bottom, the logs flowing above them.

rows.py     UIResources as rows: what a person wants to know of each
panel.py    rows as lines that fit a terminal
screen.py   prints log lines above the panel, and repaints it
keys.py     single keys from the terminal
view.py     the loop: objects, logs, keys and resizes in, a screen out
"""
