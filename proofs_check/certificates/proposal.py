"""What a search hands to a proof, and the exact list of inequalities a proof checks.

A search may use any heuristics; its numbers carry no weight. A proof takes an :class:`Instance` and a
:class:`Proposal`, exact float64 numbers both, and checks the inequalities below in its own arithmetic. An
inequality that cannot be decided is not proved. Whatever is not listed as proposed is recomputed.

Symbols. z_ki = w_k.x_i, g = slope, K = X X^T, r = s phi(X W^T) a - y, F_ik = s phi(z_ki), L = max(1, |g|),
psi_0 = ``start`` and d_j = psi_{j-1} - psi_j. Stage j proposes psi_j = ``end``, mu = ``decay``,
rho = ``radius`` (m, n), U = ``uncertain`` (m, n) booleans, alpha = ``radius_a`` (m,), e = ``spread``,
t = ``share``, Lam = ``multiplier`` (broadcasts to (m, n)), nu = ``shifts``, tau = ``split`` (Theorem D only).

Region of stage j: all (W', a') with |z'_ki - z_ki| <= rho_ki, |a'_k - a_k| <= alpha_k, ||F' - F|| <= e. Its
gates: D_ki = 1 on C = {outside U, z > 0}, g on Neg = {outside U, z < 0}, between g and 1 on U. Put
    Delta_k = diag(1 on C, g on Neg, 0 on U),     Dbar_k = diag(1 on C, g on Neg, (1 + g)/2 on U),
    theta = |1 - g|/2, so that D = Dbar + eps with |eps| <= theta on U and eps = 0 off U,
    [lo_ki, hi_ki] = range of phi over |z' - z_ki| <= rho_ki: least and greatest of phi(z - rho),
                     phi(z + rho) and, when |z| <= rho, 0.

Theorem F1 (flow)
-----------------
L1 "levels"      psi_0 >= ||r||;  psi_0 > psi_1 > ... > psi_J = 0.
L2 "numbers"     all proposed numbers finite; rho, alpha, e >= 0; mu > 0; Lam > 0 on U; 0 < nu < mu;
                 0 <= t <= 1, and t > 0 unless e = 0.
L3 "separation"  (if eta_W > 0)  |z_ki| > rho_ki for every pair outside U.
F4 "spectrum"    M - mu I is positive definite, where
                     M = sum_k A_k N_k + eta_a [(1 - t) F F^T - (1/t - 1) e^2 I],
                     A_k = eta_W s^2 [|a_k| - alpha_k]_+^2,
                     N_k = Delta_k K Delta_k + g Lam_k - B_k^T (K_UU + Lam_k)^{-1} B_k,
                     B_k = K_{U,.} Delta_k - ((1 + g)/2) Lam_k         (u by n; Lam_k in the columns U).
                 With t = e = 0 the last term is eta_a F F^T.
F5 constants     (Lemma 9, sharpened) for b = bbar + eps, |eps_j| <= q_j, and N = M - nu I, the least over nu:
                     kappa(bbar, q)^2 = [ bbar^T N^{-1} bbar + 2 sum_j q_j |(N^{-1} bbar)_j|
                                          + sum_jl q_j q_l |(N^{-1})_jl| ] / (4 nu);
                 with ``shifts`` empty the crude kappa(bbar, q) = || |bbar| + q || / mu. Then
                     pair (k, i):  bbar_j = Dbar_kj K_ij,  q_j = theta |K_ij| on U_k, 0 off U_k;
                     output k:     bbar = (lo_k + hi_k)/2,  q = (hi_k - lo_k)/2.
                 (The pair's own entry j = i is uncertain exactly when it is in U: outside U it has not
                 crossed and keeps its present gate.)
F6 "travel"      (if eta_W > 0)  P+_ki = P_ki + eta_W |s| (|a_k| + alpha_k) kappa_ki d_j,
                     S+ = S + d_j/sqrt(mu),  rho_ki > min(P+_ki, ||x_i|| sqrt(eta_W) S+)  for every pair.
F7 "output"      (if eta_a > 0)  P^a+_k = P^a_k + eta_a |s| kappa^a_k d_j,
                     alpha_k > min(P^a+_k, sqrt(eta_a) S+).
F8 "features"    (if eta_W > 0 and eta_a > 0)
                     e >= |s| (sum_ki max(hi_ki - phi(z_ki), phi(z_ki) - lo_ki)^2)^{1/2},
                     or e > |s| L ||X|| sqrt(eta_W) S+.
P, P^a, S start at 0 and become P+, P^a+, S+ after each stage. A pair that enters U late paid its smaller
constants before, when it had not crossed.
Frozen layers: eta_W = 0 skips L3, F6, F8 and puts e = 0, A_k = 0, lo = hi = phi(z); eta_a = 0 skips F7, F8,
drops the F-term and puts alpha = 0.
Conclusion: psi(t) <= psi(0) exp(-min_j mu_j t); |z_ki(t) - z_ki| < rho_ki and |a_k(t) - a_k| < alpha_k with
the last stage's radii; ||W(t) - W||_F <= sqrt(eta_W) S, ||a(t) - a|| <= sqrt(eta_a) S; it ends at zero loss.

Theorem D (steps), in stages
----------------------------
c_k^+- = eta_W s^2 (|a_k| +- alpha_k)^2, with c_k^- = 0 if alpha_k >= |a_k|;  Lam0_kj = sum_{i in U_k} |K_ji|;
    Lbar = ( ||sum_k c_k^+ Dbar_k K Dbar_k||^{1/2} + theta ||X|| max_i (sum_{k: i in U_k} c_k^+)^{1/2} )^2
           + eta_a (||F|| + e)^2;
    om = sqrt(eta_W eta_a) |s| L ||X|| psi_{j-1};  L' = Lbar + om;
    th = (2 + (1 + 1/tau) L')/(2 - (1 + tau) L').
L1, L2, L3 as above.
D3 "step"        tau > 0 and (1 + tau) L' < 2.
D4 "multiplier"  Lam_kj >= th (c_k^+/c_k^-) Lam0_kj on U for every neuron with c_k^- > 0.
D5 "spectrum"    M_d - mu I is positive definite, where M_d = (1 - (1 + tau) L'/2) times
                     [ sum_{c_k^- > 0} c_k^- N_k - sum_{c_k^- = 0} th c_k^+ theta^2 diag(Lam0_k)
                       + eta_a ((1 - t) F F^T - (1/t - 1) e^2 I) ].
D6 "travel"      kappa as in F5 with M_d;
                     Q_ki = max(eta_W |s| (|a_k| + alpha_k) kappa_ki, Q_ki of stage j-1);
                     b_ki = eta_W |s| (|a_k| + alpha_k) || |Dbar_k K e_i| + theta |K e_i| on U_k ||;
                     P+_ki = P_ki + Q_ki d_j;
                     last stage:  rho_ki > P+_ki;       before:  rho_ki > P+_ki + b_ki psi_{j-1}.
D7 "output"      the same with Q^a_k from eta_a |s| kappa^a_k, b^a_k = eta_a |s| || |bbar| + q ||, alpha_k.
D8 "features"    the first alternative of F8. (There are no caps: S does not exist.)
A step that crosses psi_j starts at a residual <= psi_{j-1}, so it reaches at most b psi_{j-1}, and it ends
inside region j. Q is monotone, so the drop it takes from stage j+1 is counted at no less than it costs.
Conclusion: ||r_{t+1}||^2 <= (1 - 2 min_j mu_j) ||r_t||^2; all iterates stay within the last stage's radii and
converge to zero loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["INEQUALITIES", "Finding", "Proposal", "Stage"]

Array = np.ndarray[Any, np.dtype[np.float64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]

INEQUALITIES = (
    "levels",
    "numbers",
    "separation",
    "step",
    "multiplier",
    "spectrum",
    "travel",
    "output",
    "features",
)
"""Names of the inequalities, in the order of the theorem; a failing proof names one."""


@dataclass(frozen=True, eq=False)
class Stage:
    """One stage: the residual falls from the last stage's ``end`` to this one's, inside one region."""

    end: float
    decay: float
    radius: Array
    uncertain: Mask
    radius_a: Array
    spread: float
    share: float
    multiplier: Array
    shifts: Array
    split: float = 0.0


@dataclass(frozen=True, eq=False)
class Proposal:
    """``start`` = psi_0 >= ||r||, and the stages down to ``end`` = 0."""

    start: float
    stages: tuple[Stage, ...]


@dataclass(frozen=True)
class Finding:
    """What a proof found.

    Parameters
    ----------
    proved : bool
    decay : float
        min_j mu_j when proved, else 0.
    path : float
        S after the last stage (flow), rounded up; infinite when not proved, and for descent.
    stage : int
        The stage that failed, from 1; 0 when none did.
    inequality : str
        One of :data:`INEQUALITIES` that failed; empty when none did.
    factor : float
        How far off: needed over available, above 1 (or infinite). 1 when proved.
    """

    proved: bool
    decay: float
    path: float
    stage: int = 0
    inequality: str = ""
    factor: float = 1.0
