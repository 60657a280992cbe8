"""``python -m shallow`` is the command ``shallow``."""

import sys

from shallow.cli import main

sys.exit(main())
