"""``proofs-check list``: which statements there are."""

from __future__ import annotations

from proofs_check.cli.options import framed, statements_of
from shallow.cli.shell import document

__all__ = ["list_command"]


def list_command(*keys: str, json: bool = False) -> int:
    """List the statements.

    Parameters
    ----------
    keys
        Keys or families; all by default.
    json
        Print one JSON document on standard output.
    """
    chosen = statements_of(keys)
    if json:
        rows = [
            {
                "key": item.key,
                "kind": item.kind,
                "title": item.title,
                "source": str(item.source),
                "grade": item.grade.value,
                "accepts_data": item.accepts_data,
            }
            for item in chosen
        ]
        print(document(framed("list", 0, statements=rows)))
        return 0
    width = max((len(item.key) for item in chosen), default=0)
    for item in chosen:
        print(f"{item.key:{width}}  {item.kind:11}  {item.title} [{item.source.item}; {item.grade.value}]")
    return 0
