"""What every command shares: one clear message for a user's mistake, exit code 2, nothing half written."""

from __future__ import annotations

import inspect
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["document", "fail", "refuse_laws_beside_data", "run_app"]


def run_app(app: Any, arguments: Sequence[str] | None = None) -> int:
    """Run a cyclopts application; its exit code.

    A ValueError, TypeError or missing file is the user's mistake: its message goes to standard error as one
    line and the exit code is 2; so is data too large for the memory. Anything else is ours, and keeps its
    traceback.
    """
    try:
        outcome = app(list(sys.argv[1:] if arguments is None else arguments), result_action="return_value")
    except (ValueError, TypeError, OSError) as error:
        return fail(_name(app), error)
    except MemoryError as error:
        return fail(_name(app), f"this needs more memory than there is; take fewer rows or neurons ({error})")
    except SystemExit as stop:
        return int(stop.code) if isinstance(stop.code, int) else 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return outcome if isinstance(outcome, int) else 0


def _name(app: Any) -> str:
    return " ".join(str(app.name)[2:-3].split()) if isinstance(app.name, tuple) else str(app.name)


def fail(command: str, error: BaseException | str) -> int:
    """Say what was wrong on standard error, in one line; 2."""
    print(f"{command}: {error}", file=sys.stderr)
    return 2


def refuse_laws_beside_data(data: Path | None, command: Callable[..., int], drawn: Mapping[str, Any]) -> None:
    """ValueError when ``data`` is given and a flag that says how to draw X or y is not at its default."""
    parameters = inspect.signature(command).parameters
    for name, value in drawn.items():
        if data is not None and value != parameters[name.replace("-", "_")].default:
            raise ValueError(
                f"--{name} {value} says how to draw data, and --data {data} gives them; drop one"
            )


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
