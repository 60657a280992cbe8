"""``python -m proofs_check`` is ``proofs-check``."""

from __future__ import annotations

import sys

from proofs_check.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
