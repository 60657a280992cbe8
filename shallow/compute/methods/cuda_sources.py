"""CUDA C++ of the device methods, as text: compiled by NVRTC on the device, and without one in the tests.

Every source is complete without a header and is compiled once for each floating type, with REAL defined as
``double`` or ``float``. Matrices lie row by row; Z is (B, m, n): member, neuron, sample. No source uses an
atomic operation: every sum has one order, fixed by the shapes, so equal launches have equal bits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

__all__ = ["LOSS_CODES", "NTK", "SOURCES", "STEPS", "CudaSource", "compile_options"]


@dataclass(frozen=True)
class CudaSource:
    """A translation unit and the functions that are launched from it."""

    name: str
    code: str
    functions: tuple[str, ...]


def compile_options(dtype: Any) -> tuple[str, ...]:
    """What NVRTC is given: the floating type. No fast mathematics, ever."""
    real = {"float64": "double", "float32": "float"}[np.dtype(dtype).name]
    return (f"-DREAL={real}", "--std=c++14")


LOSS_CODES: Mapping[str, int] = MappingProxyType({"squared": 0, "logistic": 1, "exponential": 2, "hinge": 3})

_STEPS = r"""
typedef long long index_t;

// phi' and phi as shallow.exact.activation writes them; at a kink the gate is that of z > 0.
__device__ inline REAL gate_of(REAL z, REAL slope, REAL smoothing) {
    if (smoothing == REAL(0)) return z > REAL(0) ? REAL(1) : slope;
    if (z >= smoothing) return REAL(1);
    if (z <= -smoothing) return slope;
    return (REAL(1) + slope) / REAL(2) + (REAL(1) - slope) / REAL(2) * (z / smoothing);
}

__device__ inline REAL activation_of(REAL z, REAL slope, REAL smoothing) {
    if (smoothing == REAL(0)) return z > REAL(0) ? z : slope * z;
    const REAL offset = (REAL(1) - slope) * smoothing / REAL(4);
    if (z >= smoothing) return z - offset;
    if (z <= -smoothing) return slope * z - offset;
    return z * ((REAL(1) + slope) / REAL(2) + (REAL(1) - slope) / REAL(4) * (z / smoothing));
}

// dL/df, as shallow.setting.losses: 0 squared, 1 logistic, 2 exponential, 3 hinge.
__device__ inline REAL derivative_of(int loss, REAL f, REAL y) {
    if (loss == 0) return f - y;
    const REAL q = y * f;
    if (loss == 1) {
        const REAL t = exp(-fabs(q));
        return -y * (q > REAL(0) ? t : REAL(1)) / (REAL(1) + t);
    }
    if (loss == 2) return y == REAL(0) ? REAL(0) : -y * exp(-q);
    return q < REAL(1) ? -y : (q != q ? q : REAL(0));
}

// One chunk of the sum f_i = sum_r a_r phi(z_ri): grid (samples, chunks, members).
extern "C" __global__ void forward_partial(
    const REAL* Z, const REAL* a, REAL* partial, const int* alive,
    int m, int n, int chunk, REAL slope, REAL smoothing)
{
    const int b = blockIdx.z, q = blockIdx.y;
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (!alive[b] || i >= n) return;
    const int first = q * chunk, last = first + chunk < m ? first + chunk : m;
    const REAL* z = Z + (index_t(b) * m + first) * n + i;
    const REAL* outer = a + index_t(b) * m;
    REAL sum = REAL(0);
    for (int r = first; r < last; ++r, z += n) sum += outer[r] * activation_of(*z, slope, smoothing);
    partial[(index_t(b) * gridDim.y + q) * n + i] = sum;
}

// f, dL/df and whether a member is sound: one block a member, blockDim a power of two up to 256. A weight
// that is not finite needs no look of its own: behind a closed gate it is 0 times infinity, which is NaN.
extern "C" __global__ void finish_outputs(
    const REAL* partial, const REAL* y, index_t y_stride, const double* limit,
    const int* alive, REAL* f, REAL* c, int* sound, int n, int chunks, REAL scale, int loss)
{
    __shared__ int within[256];
    const int b = blockIdx.x, t = threadIdx.x;
    if (!alive[b]) return;
    int good = 1;
    for (int i = t; i < n; i += blockDim.x) {
        REAL sum = REAL(0);
        for (int q = 0; q < chunks; ++q) sum += partial[(index_t(b) * chunks + q) * n + i];
        const REAL out = scale * sum, label = y[b * y_stride + i];
        f[index_t(b) * n + i] = out;
        c[index_t(b) * n + i] = derivative_of(loss, out, label);
        good = good && fabs(out - label) <= REAL(limit[b]);  // false for NaN
    }
    within[t] = good;
    __syncthreads();
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        if (t < half) within[t] = within[t] && within[t + half];
        __syncthreads();
    }
    if (t == 0) sound[b] = within[0];
}

// Each member's clock after a step into buffer `next`; one that is not sound stays at buffer 1 - next.
extern "C" __global__ void move_clocks(
    const int* sound, int* alive, index_t* step, double* time, double* last_factor, index_t* diverged,
    int* home, const double* factor, int members, int next)
{
    const int b = blockIdx.x * blockDim.x + threadIdx.x;
    if (b >= members || !alive[b]) return;
    if (sound[b]) {
        step[b] += 1;
        time[b] += factor[b];
        last_factor[b] = factor[b];
        home[b] = next;
    } else {
        diverged[b] = step[b] + 1;
        home[b] = 1 - next;
        alive[b] = 0;
    }
}

// back_ri = gate(z_ri) c_i (it may overwrite Z, or be absent) and inner_r = sum_i phi(z_ri) c_i:
// one block a row of Z, blockDim a power of two up to 256.
extern "C" __global__ void pull_back(
    const REAL* Z, const REAL* c, const int* alive, REAL* back, REAL* inner,
    int m, int n, REAL slope, REAL smoothing)
{
    __shared__ REAL sums[256];
    const index_t row = blockIdx.x;
    const int b = int(row / m), t = threadIdx.x;
    if (!alive[b]) return;
    const REAL* z = Z + row * n;
    const REAL* weight = c + index_t(b) * n;
    REAL sum = REAL(0);
    for (int i = t; i < n; i += blockDim.x) {
        const REAL here = z[i], w = weight[i];
        sum += activation_of(here, slope, smoothing) * w;
        if (back) back[row * n + i] = gate_of(here, slope, smoothing) * w;
    }
    sums[t] = sum;
    __syncthreads();
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        if (t < half) sums[t] += sums[t + half];
        __syncthreads();
    }
    if (t == 0) inner[row] = sums[0];
}

// next_W = W - (h rate_W) (scale a_r G + decay_W W): one block a row of W.
extern "C" __global__ void update_W(
    const REAL* W, const REAL* G, const REAL* a, const double* factor, const int* alive, REAL* next_W,
    int m, int d, double rate, REAL scale, double decay)
{
    const index_t row = blockIdx.x;
    const int b = int(row / m);
    if (!alive[b]) return;
    const REAL length = REAL(factor[b]) * REAL(rate) * scale * a[row];
    const REAL lost = REAL(factor[b] * rate * decay);
    for (int k = threadIdx.x; k < d; k += blockDim.x) {
        const REAL w = W[row * d + k];
        next_W[row * d + k] = w - length * G[row * d + k] - lost * w;
    }
}

// next_a = a - (h rate_a) (scale inner + decay_a a): one thread a neuron.
extern "C" __global__ void update_a(
    const REAL* a, const REAL* inner, const double* factor, const int* alive, REAL* next_a,
    index_t rows, int m, double rate, REAL scale, double decay)
{
    const index_t row = index_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (row >= rows) return;
    const int b = int(row / m);
    if (!alive[b]) return;
    const REAL length = REAL(factor[b]) * REAL(rate) * scale;
    next_a[row] = a[row] - length * inner[row] - REAL(factor[b] * rate * decay) * a[row];
}
"""

_NTK = r"""
typedef long long index_t;
typedef unsigned int word_t;
#define TILE 64
#define DEPTH 16

// Bit r % 32 of word r / 32 of row i is z_ir > 0, for Z (n, m): one thread a word; missing bits are 0.
extern "C" __global__ void pack_signs(const REAL* Z, word_t* bits, index_t rows, int m, int words) {
    const index_t place = index_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (place >= rows * words) return;
    const index_t i = place / words;
    const int first = int(place % words) * 32, last = first + 32 < m ? first + 32 : m;
    word_t packed = 0;
    for (int r = first; r < last; ++r)
        if (Z[i * m + r] > REAL(0)) packed |= word_t(1) << (r - first);
    bits[place] = packed;
}

// How many bits of each row are set: one thread a row.
extern "C" __global__ void count_bits(const word_t* bits, int* ones, index_t rows, int words) {
    const index_t i = index_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= rows) return;
    int sum = 0;
    for (int w = 0; w < words; ++w) sum += __popc(bits[i * words + w]);
    ones[i] = sum;
}

// K_ij <- K_ij (constant + single (ones_i + ones_j) + both |bits_i & bits_j|) from the upper triangle, both
// triangles written: blocks of 16 x 16 threads, each 4 x 4 entries of a tile of 64 x 64.
extern "C" __global__ void gate_kernel(
    const word_t* bits, const int* ones, REAL* K, int n, int words,
    double constant, double single, double both)
{
    __shared__ word_t left[TILE][DEPTH + 1];
    __shared__ word_t right[TILE][DEPTH + 1];
    if (blockIdx.x < blockIdx.y) return;
    const int x = threadIdx.x, y = threadIdx.y, flat = y * 16 + x;
    const int top = blockIdx.y * TILE, side = blockIdx.x * TILE;
    int common[4][4];
    for (int p = 0; p < 4; ++p)
        for (int q = 0; q < 4; ++q) common[p][q] = 0;
    for (int start = 0; start < words; start += DEPTH) {
        for (int e = flat; e < TILE * DEPTH; e += 256) {
            const int row = e / DEPTH, w = start + e % DEPTH;
            left[row][e % DEPTH] = top + row < n && w < words ? bits[index_t(top + row) * words + w] : 0;
            right[row][e % DEPTH] = side + row < n && w < words ? bits[index_t(side + row) * words + w] : 0;
        }
        __syncthreads();
        for (int w = 0; w < DEPTH; ++w)
            for (int p = 0; p < 4; ++p)
                for (int q = 0; q < 4; ++q)
                    common[p][q] += __popc(left[y + 16 * p][w] & right[x + 16 * q][w]);
        __syncthreads();
    }
    for (int p = 0; p < 4; ++p)
        for (int q = 0; q < 4; ++q) {
            const int i = top + y + 16 * p, j = side + x + 16 * q;
            if (j >= n || i > j) continue;
            const double gates = constant + single * (double(ones[i]) + double(ones[j]))
                + both * double(common[p][q]);
            const REAL entry = REAL(K[index_t(i) * n + j] * gates);
            K[index_t(i) * n + j] = entry;
            K[index_t(j) * n + i] = entry;
        }
}

// The acute angle between the lines of two rows whose cosine is near 1: from the chord of the unit rows.
__device__ inline REAL parallel_angle(const REAL* x, const REAL* z, REAL norm_x, REAL norm_z, int d) {
    REAL sum = REAL(0);
    for (int k = 0; k < d; ++k) {
        const REAL gap = x[k] / norm_x - z[k] / norm_z;
        sum += gap * gap;
    }
    return REAL(2) * asin(sqrt(sum) / REAL(2));
}

// u v - w z with two rounding errors at most (Kahan; Jeannerod, Louvet and Muller 2013).
__device__ inline REAL determinant(REAL u, REAL v, REAL w, REAL z) {
    const REAL product = w * z;
    return fma(u, v, -product) + fma(-w, z, product);
}

// The same for a cosine near -1, to relative accuracy: see _angle_of_opposed in shallow.exact.arc_cosine.
__device__ inline REAL opposed_angle(const REAL* x, const REAL* z, REAL square_x, REAL norm_z, int d) {
    int pivot = 0;
    for (int k = 1; k < d; ++k)
        if (fabs(x[k]) > fabs(x[pivot])) pivot = k;
    const REAL x_p = x[pivot], z_p = z[pivot];
    REAL top = REAL(0);
    for (int k = 0; k < d; ++k) {
        const REAL e = fabs(determinant(x_p, z[k], z_p, x[k]));
        if (e > top) top = e;
    }
    if (top == REAL(0)) return REAL(0);
    REAL along = REAL(0);
    for (int k = 0; k < d; ++k) along += x[k] * (determinant(x_p, z[k], z_p, x[k]) / top);
    along /= square_x;
    REAL sum = REAL(0);
    for (int k = 0; k < d; ++k) {
        const REAL across = determinant(x_p, z[k], z_p, x[k]) / top - x[k] * along;
        sum += across * across;
    }
    const REAL sine = top * sqrt(sum) / (fabs(x_p) * norm_z);
    return asin(sine < REAL(1) ? sine : REAL(1));
}

// sin u - u cos u for 0 <= u <= pi/2: twelve terms of its series.
__device__ inline REAL series_of_acute(REAL u) {
    const double terms[12] = {
        TERMS
    };
    const REAL square = u * u;
    REAL total = REAL(terms[0]) * square;
    for (int k = 1; k < 11; ++k) total = (total + REAL(terms[k])) * square;
    return (total + REAL(terms[11])) * square * u;
}

// K, holding S S^T of rows S brought to largest entry in [1, 2), becomes the arc-cosine kernel in place, from
// the upper triangle: grid of 16 x 16 blocks. `low * high` takes the powers of two back.
extern "C" __global__ void arc_cosine(
    REAL* K, const REAL* S, const REAL* norms, const REAL* squares, const REAL* low, const REAL* high,
    int n, int d, REAL first, REAL second, REAL slope)
{
    const int j = blockIdx.x * blockDim.x + threadIdx.x, i = blockIdx.y * blockDim.y + threadIdx.y;
    if (j >= n || i > j) return;
    const REAL pi = REAL(3.141592653589793238462643383279502884);
    REAL value;
    if (i == j) {
        value = ((first + second) * (REAL(1) + slope * slope) / REAL(2)) * squares[i];
    } else {
        const REAL dot = K[index_t(i) * n + j], length = norms[i] * norms[j];
        const REAL cosine = dot / (length > REAL(0) ? length : REAL(1));
        const REAL* x = S + index_t(i) * d;
        const REAL* z = S + index_t(j) * d;
        REAL acute;
        if (cosine > REAL(0.95)) acute = parallel_angle(x, z, norms[i], norms[j], d);
        else if (cosine < REAL(-0.7)) acute = opposed_angle(x, z, squares[i], norms[j], d);
        else acute = acos(fabs(cosine));
        const REAL obtuse = pi - acute;
        const REAL same = (REAL(1) + slope * slope) / (REAL(2) * pi), mixed = slope / pi;
        const bool forward = dot >= REAL(0);
        value = first * (dot * (same * (forward ? obtuse : acute) + mixed * (forward ? acute : obtuse)));
        if (second != REAL(0)) {
            const REAL of_acute = series_of_acute(acute), of_obtuse = sin(acute) + obtuse * cos(acute);
            value += second * (length * (same * (forward ? of_obtuse : of_acute)
                - mixed * (forward ? of_acute : of_obtuse)));
        }
    }
    value = value * (low[i] * high[j]) * (high[i] * low[j]);
    K[index_t(i) * n + j] = value;
    K[index_t(j) * n + i] = value;
}
"""

# (-1)^(k+1) 2k / (2k+1)! for k = 12, ..., 1: the coefficients of sin u - u cos u.
_SERIES = [(-1) ** (k + 1) * 2 * k / math.factorial(2 * k + 1) for k in range(12, 0, -1)]

STEPS = CudaSource(
    "steps",
    _STEPS,
    (
        "forward_partial",
        "finish_outputs",
        "move_clocks",
        "pull_back",
        "update_W",
        "update_a",
    ),
)
NTK = CudaSource(
    "ntk",
    _NTK.replace("TERMS", ", ".join(map(repr, _SERIES))),
    ("pack_signs", "count_bits", "gate_kernel", "arc_cosine"),
)
SOURCES = (STEPS, NTK)
