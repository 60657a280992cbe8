"""A Matplotlib figure as an ``<svg>`` element that can stand in a page beside others."""

from __future__ import annotations

import io
import re
import zlib
from html import escape
from typing import Any

__all__ = ["inline"]

_DIGITS = re.compile(r"(\.\d\d)\d+")


def inline(figure: Any, name: str, title: str) -> str:
    """The ``<svg>`` element alone, fluid in width, with ids of its own and a title.

    Parameters
    ----------
    figure : matplotlib Figure
    name : str
        Unique on the page; it keeps the picture's ids apart from those of the others.
    title : str
        For readers who do not see it.
    """
    stream = io.StringIO()
    figure.savefig(
        stream, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
    )
    svg, short = stream.getvalue(), f"p{zlib.crc32(name.encode()):08x}"
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r">\s+<", "><", body)
    # A hundredth of a point is far below what a screen or printer resolves.
    body = re.sub(r'(?<= d=")[^"]*', lambda path: _DIGITS.sub(r"\1", " ".join(path.group().split())), body)
    body = re.sub(r'\bid="([^"]+)"', rf'id="{short}-\1"', body)
    body = re.sub(r'(href="#|url\(#)', rf"\g<1>{short}-", body)
    opening = re.match(r"<svg[^>]*>", body)
    if opening is None:
        raise ValueError("Matplotlib wrote no <svg> element")
    view = re.search(r'viewBox="([^"]+)"', opening.group())
    box = view.group(1) if view else "0 0 100 100"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="{box}" '
        f'role="img" aria-labelledby="{short}-title"><title id="{short}-title">{escape(title)}</title>'
    )
    return head + body[opening.end() :]
