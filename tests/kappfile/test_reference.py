from __future__ import annotations

from kapp.kappfile.reference import markdown
from kapp.kappfile.registry import BUILTINS, CONSTANTS

LISTDIR = """\
### `listdir(directory, recursive=False)`

The absolute paths of the files in a directory, sorted; the directory is watched.

- `directory`: a path that starts at the directory of the file that is executed.
- `recursive`: also the files in all directories below it.

```python
manifests = listdir('manifests')
```
"""


def test_an_entry_is_complete():
    assert LISTDIR in markdown()


def test_every_name_has_an_entry():
    page = markdown()
    for item in BUILTINS.values():
        assert f"\n### `{item.usage}`\n" in page
    for value in CONSTANTS.values():
        assert f"\n### `{value.name}`\n" in page
    assert "_kapp" not in page
