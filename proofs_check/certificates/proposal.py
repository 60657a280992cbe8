"""What a search hands to a proof, and the exact list of inequalities a proof checks.

A search may use any heuristics; its numbers carry no weight. A proof takes an :class:`Instance` and a
:class:`Proposal`, both exact float64 numbers, and checks the inequalities below in its own arithmetic
  (floating
point for ``numeric``, floating point with every rounding bounded for ``verified``, balls for ``enclosed``).
An inequality that cannot be decided is not proved. A proof recomputes everything that is not listed as
  proposed.

Symbols: z_ki = w_k.x_i; g = slope; K = X X^T; r = s phi(X W^T) a - y; |D| <= L = max(1, |g|);
``d_j = psi_{j-1} - psi_j``. For stage j the proposal gives psi_j = ``end``, mu = ``decay``, rho =
  ``radius`` (m, n),
U = ``uncertain`` (m, n) booleans, alpha = ``radius_a`` (m,), e = ``spread``, t = ``share``,
Lam = ``multiplier`` (m, n), nu = ``shifts``, and tau = ``split`` (Theorem D only).

REGION of stage j: all (W', a') with |z'_ki - z_ki| <= rho_ki, |a'_k - a_k| <= alpha_k, ||F' - F|| <= e, where
F_ik = s phi(z_ki). Gates on it: D_ki = 1 on C = {not U, z > 0}, g on Neg = {not U, z < 0}, anywhere between
  g and 1
on U. Let Delta_k = diag(1 on C, g on Neg, 0 on U), Dbar_k = diag(1 on C, g on Neg, (1+g)/2 on U),
theta = |1-g|/2 (so D = Dbar + eps, |eps| <= theta on U and 0 off U), and [lo_ki, hi_ki] = the range of phi
  over
|z' - z_ki| <= rho_ki: the least and the greatest of phi(z - rho), phi(z + rho) and, when |z| <= rho, 0.

Theorem F1 (flow). Levels and first-layer checks apply to both theorems.
 L1  psi_0 >= ||r||; psi_0 > psi_1 > ... > psi_J = 0, all finite. (At r = 0 nothing moves; psi_0 may then be
   any
     positive number.)
 L2  every proposed number is finite; rho, alpha, e >= 0; mu > 0; Lam > 0 on U; 0 < nu < mu; 0 <= t <= 1,
   and t > 0
     unless e = 0.
 L3  ("separation", only if eta_W > 0)  |z_ki| > rho_ki for every pair outside U.
 F4  ("spectrum")  M - mu I is positive definite, where
       M = sum_k A_k N_k + eta_a [ (1-t) F F^T - (1/t - 1) e^2 I ],   A_k = eta_W s^2 [|a_k| - alpha_k]_+^2,
       N_k = Delta_k K Delta_k + g Lam_k - Lc_k^T (K_UU + Lam_k)^{-1} Lc_k,
       Lc_k = K_{U,.} Delta_k - ((1+g)/2) Lam_k   (u by n, Lam_k placed in the columns U; g Lam_k on the
         diagonal U).
     With t = 0 = e the last term is eta_a F F^T.
 F5  constants of Lemma 9 with this M (or any lower bound of it with the same mu). For a fixed vector bbar
   and radii
     q_j >= 0 put, for nu in ``shifts`` and N = M - nu I,
       kappa(bbar, q) = min over nu of [ sqrt(bbar^T N^{-1} bbar) + R(q) ] / sqrt(4 nu),
       R(q) = min{ sum_j q_j sqrt((N^{-1})_jj),  ||q|| lambda_max((N^{-1})_{Q Q})^{1/2} with Q = {q_j > 0} };
     either form alone is valid, too (a proof that leaves one out only proves less).
     With ``shifts`` empty: kappa(bbar, q) = || |bbar| + q || / mu (crude form, cheap).
       pair (k, i):  bbar_j = Dbar_kj K_ij,  q_j = theta |K_ij| on U, 0 off U.
     (The entry j = i is uncertain exactly when i is in U: a pair outside U keeps its present gate,
       "self-decided".)
       output k:  bbar = (lo_k + hi_k)/2,  q = (hi_k - lo_k)/2.
 F6  ("travel", only if eta_W > 0)   P+_ki = P_ki + eta_W |s| (|a_k| + alpha_k) kappa_ki d_j,  S+ = S +
   d_j/sqrt(mu),
       rho_ki > min( P+_ki, ||x_i|| sqrt(eta_W) S+ )  for every pair.
 F7  ("output", only if eta_a > 0)   P^a+_k = P^a_k + eta_a |s| kappa^a_k d_j,   alpha_k > min( P^a+_k,
   sqrt(eta_a) S+ ).
 F8  ("features", only if eta_a > 0 and eta_W > 0)
       e >= |s| ( sum_ki max(hi_ki - phi(z_ki), phi(z_ki) - lo_ki)^2 )^{1/2}   or   e > |s| L ||X||
         sqrt(eta_W) S+.
     Then P, P^a, S <- P+, P^a+, S+ for the next stage. (P starts at 0; a pair that enters U later has paid
       only its
     smaller constants before: it had not crossed.)
 Frozen layers: with eta_W = 0 skip L3, F6, F8, put e = 0, all A_k = 0 and lo = hi = phi(z); with eta_a = 0
   skip F7, F8,
 drop the F-term and put alpha = 0.
 CONCLUSION: psi(t) <= psi(0) exp(-min_j mu_j t); |z_ki(t) - z_ki| < rho_ki, |a_k(t) - a_k| < alpha_k (last
   stage),
 ||W(t) - W||_F <= sqrt(eta_W) S, ||a(t) - a|| <= sqrt(eta_a) S; limit with zero loss. A proof returns S
   (rounded up).

Theorem D (steps), staged. Let c_k^+- = eta_W s^2 (|a_k| +- alpha_k)^2 (c^- = 0 if alpha_k >= |a_k|), and
       Lbar = ( || sum_k c_k^+ Dbar_k K Dbar_k ||^{1/2} + theta ||X|| max_i (sum_{k: i in U_k} c_k^+)^{1/2}
         )^2 + eta_a (||F|| + e)^2,
       om = sqrt(eta_W eta_a) |s| L ||X|| psi_{j-1},  L' = Lbar + om,  th = (2 + (1 + 1/tau) L')/(2 - (1 +
         tau) L'),
       Lam0_kj = sum_{i in U_k} |K_ji|   (row sums, so that diag(Lam0) >= K_UU).
 D3  L1, L2, L3, and tau > 0 with (1 + tau) L' < 2.
 D4  ("multiplier")  Lam_kj >= th (c_k^+/c_k^-) Lam0_kj on U for every neuron with c_k^- > 0.
 D5  ("spectrum")  M_d - mu I is positive definite, where M_d = (1 - (1+tau) L'/2) x
       [ sum_{c_k^- > 0} c_k^- N_k - sum_{c_k^- = 0} th c_k^+ theta^2 Lam0_k + eta_a( (1-t) F F^T - (1/t -
         1) e^2 I ) ].
 D6  constants kappa as in F5 with M_d. Let Q_ki = max( eta_W |s| (|a_k|+alpha_k) kappa_ki, the same of
   stage j-1 ) and
     B_ki = eta_W |s| (|a_k|+alpha_k) || |Dbar_k K e_i| + theta |K e_i| on U || (one step's reach per unit
       of residual);
     Q^a_k, B^a_k = eta_a |s| || |bbar| + q || likewise. P+ = P + Q d_j (P = 0 at first).
       last stage:      rho_ki > P+_ki,                          alpha_k > P^a+_k;
       earlier stages:  rho_ki > P+_ki + B_ki psi_{j-1},         alpha_k > P^a+_k + B^a_k psi_{j-1}.
     (A step that crosses psi_j starts at a residual <= psi_{j-1} and ends inside region j; it is one step.
       Q is made
     monotone so that the drop it spends in stage j instead of j+1 only helps.)
 D8  e >= the first form of F8 (there are no caps: S does not exist here).
 CONCLUSION: ||r_{t+1}||^2 <= (1 - 2 min_j mu_j) ||r_t||^2, iterates stay in the last region and converge to
   zero loss.
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
