"""Reading one line of the TeX subset into pieces of MathML."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Literal

from proofs_check.report.symbols import (
    ACCENTS,
    ALPHABETS,
    BIG_OPERATORS,
    FUNCTIONS,
    LETTERS,
    LIMIT_FUNCTIONS,
    OPERATORS,
    SPACES,
)

__all__ = ["Reader", "TexError", "row"]

_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\d+(?:\.\d+)?|\s+|.", re.DOTALL)
_FENCES = {
    "(": "(",
    ")": ")",
    "[": "[",
    "]": "]",
    "|": "|",
    r"\|": "‖",
    r"\Vert": "‖",
    r"\lVert": "‖",
    r"\rVert": "‖",
    r"\vert": "|",
    r"\lvert": "|",
    r"\rvert": "|",
    r"\{": "{",
    r"\}": "}",
    r"\langle": "⟨",
    r"\rangle": "⟩",
    r"\lfloor": "⌊",
    r"\rfloor": "⌋",
    r"\lceil": "⌈",
    r"\rceil": "⌉",
}
_BIG = {"big": "1.2em", "Big": "1.8em", "bigg": "2.4em", "Bigg": "3em"}
_PLAIN = {"-": "−", "*": "∗", "<": "&lt;", ">": "&gt;", "&": ""}
_OPENING = frozenset({"(", "[", "{", "⟨", "⌊", "⌈"})
_SIGNS = frozenset({"−", "+", "±", "∓"})


class TexError(ValueError):
    """Mathematics outside the subset; the message names the piece and the text around it."""


@dataclass(frozen=True)
class _Atom:
    """One piece of MathML; ``kind`` decides spacing and where scripts go."""

    markup: str
    kind: Literal["ordinary", "operator", "opening", "limits", "function"] = "ordinary"


def row(atoms: list[_Atom]) -> str:
    """The pieces as one element: an mrow unless there is just one."""
    markup = "".join(atom.markup for atom in atoms)
    return markup if len(atoms) == 1 else f"<mrow>{markup}</mrow>"


def _operator(symbol: str, *attributes: str) -> str:
    return f"<mo{''.join(' ' + a for a in attributes)}>{symbol}</mo>"


def _fence(symbol: str, stretchy: bool, size: str = "") -> _Atom:
    attributes = [f'stretchy="{str(stretchy or bool(size)).lower()}"', 'lspace="0"', 'rspace="0"']
    if size:
        attributes += [f'minsize="{size}"', f'maxsize="{size}"']
    kind: Literal["opening", "ordinary"] = "opening" if symbol in _OPENING else "ordinary"
    return _Atom(_operator(symbol, *attributes), kind)


def _space(width: float) -> _Atom:
    return _Atom(f'<mspace width="{width}em"/>', "ordinary")


class Reader:
    """A recursive-descent reader over the tokens of one line."""

    def __init__(self, tex: str, limits_under: bool) -> None:
        self._tex = tex
        self._limits_under = limits_under
        self._tokens = _join_text(_TOKEN.findall(tex), self._error)
        self._refuse_words()
        self._place = 0

    def _error(self, what: str) -> TexError:
        return TexError(f"{what} in the formula: {self._tex.strip()}")

    def _refuse_words(self) -> None:
        """Four letters in a row would be set as a product of four symbols; no formula here means that."""
        bare = re.sub(r"\\(?:text|textrm|mbox|mathrm|operatorname)\s*\{[^{}]*\}|\\[A-Za-z]+", " ", self._tex)
        words = re.search(r"[A-Za-z]{4,}", bare)
        if words:
            raise self._error(f"write {words.group()} as \\text{{{words.group()}}}: it is a word")

    def _peek(self) -> str | None:
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    def _next(self, wanted: str) -> str:
        token = self._peek()
        if token is None:
            raise self._error(f"{wanted} is missing at the end")
        self._place += 1
        return token

    def atoms(self, stop: str | None) -> list[_Atom]:
        """All atoms with their scripts up to ``stop``, which is consumed."""
        found: list[_Atom] = []
        while True:
            token = self._peek()
            if token is None:
                if stop is not None:
                    raise self._error(f"{stop} is missing")
                return found
            if token == stop:
                self._place += 1
                return found
            if token in ("}", r"\right"):
                raise self._error(f"an unexpected {token}")
            before = found[-1].kind if found else "opening"
            atom = self._scripted(self._atom(before in ("operator", "opening")))
            named = "function" in (before, atom.kind) or (atom.kind == "limits" and "<mi" in atom.markup)
            if named and before not in ("operator", "opening") and _is_word(atom):
                found.append(_space(SPACES[","]))
            found.append(atom)

    def _scripted(self, base: _Atom) -> _Atom:
        scripts: dict[str, list[str]] = {}
        while (token := self._peek()) in ("_", "^", "'"):
            self._place += 1
            if token == "'":
                scripts.setdefault("^", []).append("<mo>′</mo>")
            elif token == "_" and "_" in scripts:
                raise self._error("two subscripts on one symbol")
            elif token == "^" and any("′" not in part for part in scripts.get("^", ())):
                raise self._error("two superscripts on one symbol")
            else:
                scripts.setdefault(str(token), []).append(self._argument())
        if not scripts:
            return base
        parts = {
            place: found[0] if len(found) == 1 else f"<mrow>{''.join(found)}</mrow>"
            for place, found in scripts.items()
        }
        under, over = parts.get("_"), parts.get("^")
        outer = base.kind == "limits" and self._limits_under
        tag = {
            (True, False): "munder" if outer else "msub",
            (False, True): "mover" if outer else "msup",
            (True, True): "munderover" if outer else "msubsup",
        }[under is not None, over is not None]
        kind = "function" if base.kind in ("limits", "function") and "<mi" in base.markup else base.kind
        return _Atom(f"<{tag}>{base.markup}{under or ''}{over or ''}</{tag}>", kind)

    def _argument(self) -> str:
        """A group in braces or a single atom, as markup that is one element."""
        token = self._next("an argument")
        if token == "{":
            inner = self.atoms(stop="}")
            return row(inner) if inner else "<mrow></mrow>"
        self._place -= 1
        if token in ("_", "^", "}"):
            raise self._error(f"an argument is missing before {token}")
        return self._atom(prefix=True).markup

    def _raw(self) -> str:
        """The letters of a group that holds a name, such as ``\\mathbb{E}``."""
        if self._next("a name in braces") != "{":
            self._place -= 1
            return self._next("a name")
        letters: list[str] = []
        while (token := self._next("}")) != "}":
            if token.startswith("\\") and token not in (r"\_", r"\,", r"\ "):
                raise self._error(f"{token} inside a name")
            letters.append({r"\_": "_", r"\,": " ", r"\ ": " "}.get(token, token))
        return "".join(letters)

    def _atom(self, prefix: bool) -> _Atom:
        token = self._next("a symbol")
        if token.startswith("\x00"):
            # Blanks at the ends would be dropped; no-break spaces are kept.
            words = token[1:]
            before = "\u00a0" * (len(words) - len(words.lstrip()))
            after = "\u00a0" * (len(words) - len(words.rstrip()))
            return _Atom(f"<mtext>{before}{escape(words.strip())}{after}</mtext>")
        if token in _FENCES:
            return _fence(_FENCES[token], stretchy=False)
        if token.startswith("\\"):
            return self._command(token[1:], prefix)
        if token == "{":
            inner = self.atoms(stop="}")
            return _Atom(row(inner) if inner else "<mrow></mrow>")
        if token == "~":
            return _space(SPACES[" "])
        if token[0].isdigit():
            return _Atom(f"<mn>{token}</mn>")
        if token.isalpha():
            return _Atom(f"<mi>{token}</mi>")
        if token in ("$", "#", "%", '"', "`", "@"):
            raise self._error(f"{token} does not belong here")
        if token in (",", ".", ";", "!", "…"):
            return _Atom(_operator(token), "ordinary")
        symbol = _PLAIN.get(token, token)
        return self._sign_or_relation(symbol, prefix) if symbol else _Atom("", "ordinary")

    def _sign_or_relation(self, symbol: str, prefix: bool) -> _Atom:
        if symbol in _SIGNS and prefix:
            return _Atom(_operator(symbol, 'form="prefix"', 'lspace="0"', 'rspace="0"'), "operator")
        if symbol == "/":
            return _Atom(_operator(symbol, 'lspace="0.05em"', 'rspace="0.05em"'), "operator")
        return _Atom(_operator(symbol), "operator")

    def _command(self, name: str, prefix: bool) -> _Atom:
        if name in LETTERS:
            variant = ' mathvariant="normal"' if LETTERS[name].isupper() or name == "infty" else ""
            return _Atom(f"<mi{variant}>{LETTERS[name]}</mi>")
        if name in OPERATORS:
            return self._sign_or_relation(OPERATORS[name], prefix)
        if name in BIG_OPERATORS:
            return _Atom(_operator(BIG_OPERATORS[name]), "function" if name == "int" else "limits")
        if name in LIMIT_FUNCTIONS:
            return _Atom(f"<mi>{LIMIT_FUNCTIONS[name]}</mi>", "limits")
        if name in FUNCTIONS:
            return _Atom(f"<mi>{name}</mi>", "function")
        if name in SPACES:
            return _space(SPACES[name])
        if name in ACCENTS:
            return self._accent(name)
        if name in ALPHABETS:
            return self._alphabet(name)
        if name.rstrip("lrm") in _BIG:
            return self._sized(_BIG[name.rstrip("lrm")])
        if name in ("_", "%", "#", "&", "$"):
            return _Atom(f"<mtext>{escape(name)}</mtext>")
        builders = self._builders()
        if name not in builders:
            raise self._error(f"the unknown command \\{name}")
        return builders[name]()

    def _builders(self) -> dict[str, Callable[[], _Atom]]:
        return {
            "frac": self._fraction,
            "tfrac": self._fraction,
            "dfrac": self._fraction,
            "sqrt": self._root,
            "left": self._left,
            "mathrm": self._name,
            "operatorname": self._named_function,
        }

    def _fraction(self) -> _Atom:
        return _Atom(f"<mfrac>{self._argument()}{self._argument()}</mfrac>")

    def _root(self) -> _Atom:
        if self._peek() != "[":
            return _Atom(f"<msqrt>{self._argument()}</msqrt>")
        self._place += 1
        degree = row(self.atoms(stop="]"))
        return _Atom(f"<mroot>{self._argument()}{degree}</mroot>")

    def _left(self) -> _Atom:
        opening = self._delimiter()
        inner = self.atoms(stop=r"\right")
        closing = self._delimiter()
        return _Atom(f"<mrow>{opening}{''.join(atom.markup for atom in inner)}{closing}</mrow>")

    def _delimiter(self, size: str = "") -> str:
        token = self._next("a bracket")
        if token == ".":
            return ""
        if token not in _FENCES:
            raise self._error(f"{token} is no bracket")
        return _fence(_FENCES[token], stretchy=True, size=size).markup

    def _sized(self, size: str) -> _Atom:
        token = self._peek()
        opening = token is not None and _FENCES.get(token, "") in _OPENING
        return _Atom(self._delimiter(size), "opening" if opening else "ordinary")

    def _accent(self, name: str) -> _Atom:
        base = self._argument()
        tag = "munder" if name == "underline" else "mover"
        stretchy = str(name in ("widehat", "overline", "widetilde", "underline")).lower()
        mark = _operator(ACCENTS[name], f'stretchy="{stretchy}"')
        return _Atom(f'<{tag} accent="true">{base}{mark}</{tag}>')

    def _alphabet(self, name: str) -> _Atom:
        letters = self._raw()
        missing = [letter for letter in letters if letter not in ALPHABETS[name]]
        if missing:
            raise self._error(f"\\{name} has no {missing[0]}")
        return _Atom(f"<mi>{''.join(ALPHABETS[name][letter] for letter in letters)}</mi>")

    def _name(self) -> _Atom:
        return _Atom(f'<mi mathvariant="normal">{escape(self._raw())}</mi>')

    def _named_function(self) -> _Atom:
        return _Atom(f'<mi mathvariant="normal">{escape(self._raw())}</mi>', "function")


def _is_word(atom: _Atom) -> bool:
    """Whether a thin space belongs between a function name and this atom (not before a bracket)."""
    return not atom.markup.startswith("<mo") and not atom.markup.startswith("<mrow><mo")


def _join_text(tokens: list[str], error: Callable[[str], TexError]) -> list[str]:
    """Drop blanks, except inside ``\\text{...}``, which becomes one token marked by a NUL."""
    joined: list[str] = []
    place = 0
    while place < len(tokens):
        token = tokens[place]
        place += 1
        if token not in (r"\text", r"\textrm", r"\mbox"):
            if not token.isspace():
                joined.append(token)
            continue
        while place < len(tokens) and tokens[place].isspace():
            place += 1
        if place == len(tokens) or tokens[place] != "{":
            raise error(f"{token} needs braces")
        depth, start = 1, place + 1
        place += 1
        while place < len(tokens) and depth:
            depth += {"{": 1, "}": -1}.get(tokens[place], 0)
            place += 1
        if depth:
            raise error(f"{token} is not closed")
        joined.append("\x00" + "".join(tokens[start : place - 1]))
    return joined
