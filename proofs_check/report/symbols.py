"""Literal tables from TeX names to Unicode, for :mod:`proofs_check.report.mathml`."""

from __future__ import annotations

__all__ = [
    "ACCENTS",
    "ALPHABETS",
    "BIG_OPERATORS",
    "FUNCTIONS",
    "LETTERS",
    "LIMIT_FUNCTIONS",
    "OPERATORS",
    "SPACES",
]

LETTERS = {
    "alpha": "α",
    "beta": "β",
    "gamma": "γ",
    "delta": "δ",
    "epsilon": "ϵ",
    "varepsilon": "ε",
    "zeta": "ζ",
    "eta": "η",
    "theta": "θ",
    "vartheta": "ϑ",
    "iota": "ι",
    "kappa": "κ",
    "lambda": "λ",
    "mu": "μ",
    "nu": "ν",
    "xi": "ξ",
    "pi": "π",
    "rho": "ρ",
    "varrho": "ϱ",
    "sigma": "σ",
    "tau": "τ",
    "upsilon": "υ",
    "phi": "ϕ",
    "varphi": "φ",
    "chi": "χ",
    "psi": "ψ",
    "omega": "ω",
    "Gamma": "Γ",
    "Delta": "Δ",
    "Theta": "Θ",
    "Lambda": "Λ",
    "Xi": "Ξ",
    "Pi": "Π",
    "Sigma": "Σ",
    "Phi": "Φ",
    "Psi": "Ψ",
    "Omega": "Ω",
    "ell": "ℓ",
    "infty": "∞",
    "partial": "∂",
    "nabla": "∇",
    "emptyset": "∅",
    "top": "⊤",
    "bot": "⊥",
    "hbar": "ℏ",
}

OPERATORS = {
    "le": "≤",
    "leq": "≤",
    "ge": "≥",
    "geq": "≥",
    "ne": "≠",
    "neq": "≠",
    "ll": "≪",
    "gg": "≫",
    "lesssim": "≲",
    "gtrsim": "≳",
    "approx": "≈",
    "sim": "∼",
    "simeq": "≃",
    "asymp": "≍",
    "equiv": "≡",
    "propto": "∝",
    "in": "∈",
    "notin": "∉",
    "ni": "∋",
    "subset": "⊂",
    "subseteq": "⊆",
    "supset": "⊃",
    "cup": "∪",
    "cap": "∩",
    "setminus": "∖",
    "to": "→",
    "rightarrow": "→",
    "leftarrow": "←",
    "mapsto": "↦",
    "Rightarrow": "⇒",
    "Longrightarrow": "⟹",
    "implies": "⟹",
    "Leftrightarrow": "⇔",
    "iff": "⟺",
    "leadsto": "⇝",
    "pm": "±",
    "mp": "∓",
    "times": "×",
    "cdot": "⋅",
    "circ": "∘",
    "odot": "⊙",
    "otimes": "⊗",
    "oplus": "⊕",
    "ast": "∗",
    "star": "⋆",
    "div": "÷",
    "wedge": "∧",
    "vee": "∨",
    "neg": "¬",
    "forall": "∀",
    "exists": "∃",
    "mid": "∣",
    "parallel": "∥",
    "perp": "⊥",
    "succ": "≻",
    "succeq": "≽",
    "prec": "≺",
    "preceq": "≼",
    "colon": ":",
    "ldots": "…",
    "dots": "…",
    "cdots": "⋯",
    "vdots": "⋮",
}

BIG_OPERATORS = {
    "sum": "∑",
    "prod": "∏",
    "int": "∫",
    "bigcup": "⋃",
    "bigcap": "⋂",
    "bigoplus": "⨁",
    "bigvee": "⋁",
    "bigwedge": "⋀",
}

LIMIT_FUNCTIONS = {
    "max": "max",
    "min": "min",
    "sup": "sup",
    "inf": "inf",
    "lim": "lim",
    "limsup": "lim sup",
    "liminf": "lim inf",
    "Pr": "Pr",
    "det": "det",
}

FUNCTIONS = (
    "arccos",
    "arcsin",
    "arctan",
    "arg",
    "cos",
    "cosh",
    "deg",
    "diag",
    "dim",
    "exp",
    "ker",
    "ln",
    "log",
    "rank",
    "sign",
    "sin",
    "sinh",
    "tan",
    "tanh",
    "tr",
)

# In em; TeX's thin, medium and thick spaces are 3/18, 4/18 and 5/18.
SPACES = {",": 0.167, ":": 0.222, ">": 0.222, ";": 0.278, "!": -0.167, " ": 0.25, "quad": 1.0, "qquad": 2.0}

ACCENTS = {
    "hat": "^",
    "widehat": "^",
    "bar": "‾",
    "overline": "‾",
    "tilde": "~",
    "widetilde": "~",
    "dot": "˙",
    "ddot": "¨",
    "vec": "→",
    "underline": "_",
}

_DOUBLE = {"C": "ℂ", "H": "ℍ", "N": "ℕ", "P": "ℙ", "Q": "ℚ", "R": "ℝ", "Z": "ℤ"}
_SCRIPT = {"B": "ℬ", "E": "ℰ", "F": "ℱ", "H": "ℋ", "I": "ℐ", "L": "ℒ", "M": "ℳ", "R": "ℛ"}
_CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SMALL = _CAPITALS.lower()


def _shifted(letters: str, first: int) -> dict[str, str]:
    return {letter: chr(first + place) for place, letter in enumerate(letters)}


# Unicode's mathematical alphabets; the letters that Unicode had earlier stand outside their block.
ALPHABETS: dict[str, dict[str, str]] = {
    "mathbb": {
        **_shifted(_CAPITALS, 0x1D538),
        **_shifted(_SMALL, 0x1D552),
        **_shifted("0123456789", 0x1D7D8),
        **_DOUBLE,
    },
    "mathcal": {**_shifted(_CAPITALS, 0x1D49C), **_SCRIPT},
    "mathbf": {
        **_shifted(_CAPITALS, 0x1D400),
        **_shifted(_SMALL, 0x1D41A),
        **_shifted("0123456789", 0x1D7CE),
    },
}
