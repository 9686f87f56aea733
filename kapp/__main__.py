"""`python -m kapp` is the `kapp` command."""

import sys

from kapp.cli.entry import main

sys.exit(main())
