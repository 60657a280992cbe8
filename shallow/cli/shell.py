"""What every command shares: one clear message for a user's mistake, exit code 2, nothing half written."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from typing import Any

__all__ = ["document", "fail", "run_app"]


def run_app(app: Any, arguments: Sequence[str] | None = None) -> int:
    """Run a cyclopts application; its exit code.

    A ValueError, TypeError or missing file is the user's mistake: its message goes to standard error as one
    line and the exit code is 2. Anything else is ours, and keeps its traceback.
    """
    try:
        outcome = app(list(sys.argv[1:] if arguments is None else arguments), result_action="return_value")
    except (ValueError, TypeError, OSError) as error:
        return fail(
            " ".join(str(app.name)[2:-3].split()) if isinstance(app.name, tuple) else str(app.name), error
        )
    except SystemExit as stop:
        return int(stop.code) if isinstance(stop.code, int) else 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return outcome if isinstance(outcome, int) else 0


def fail(command: str, error: BaseException) -> int:
    """Say what was wrong on standard error, in one line; 2."""
    print(f"{command}: {error}", file=sys.stderr)
    return 2


def document(content: dict[str, Any]) -> str:
    """One JSON document; a number that is not finite becomes null."""
    return json.dumps(_finite(content), indent=2, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if hasattr(value, "tolist"):
        return _finite(value.tolist())
    return value
