"""Other numbers for the same coefficients: changes of variables that make a smoothness penalty well-conditioned.

The coefficients c of a basis are a matrix times raw numbers w that are trained in their place, c = M w. The penalty on
the second differences of the coefficients, P = D'D, then becomes M'PM, and the data term, with G the mean products of
the basis functions over the data, becomes M'GM. With the coefficients themselves P has a condition number that grows
like B^4. No M makes both terms well-conditioned: the product of their condition numbers is never less than the ratio
of the extreme eigenvalues of P against G, which grows like B^4 too. So a parameterisation moves the trouble (plain,
prefix-sum, dct) or, where the strength of the penalty is known, solves it for the sum (demmler-reinsch).

The last three share one layout: w_0 is a constant, w_1 a straight line, and the penalty is a diagonal matrix that is 0
for these two and, for prefix-sum and dct, the square of `bend_unit` for all others.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from kansym.bases.base import Basis
from kansym.registry import Registry

# From this size on a fast Fourier transform is quicker than a product with the matrix of cosines.
FOURIER_FROM = 128
# Quadrature points per grid piece beyond the degree + 1 that are exact for splines: for bases that are no polynomials.
SPARE_POINTS = 2
# The second derivative of the smoothest bend of size one on a domain of length one: the lowest frequency of a beam with
# free ends, 4.7300^2. Raw numbers count in this unit, so that a smooth function of order one has such raw numbers too.
BEND = 22.3733


class Parameterisation(ABC):
    """A change of variables between raw numbers and coefficients; the axis of the basis functions is the last but one.

    It depends on the basis only, so whoever uses one basis often keeps `matrix(basis)`. The numbers behind it are
    computed in float64, whatever the dtype of the basis, and are constants for autograd.
    """

    @abstractmethod
    def matrix(self, basis: Basis) -> Tensor:
        """Return M with coefficients = M raw, (..., B, B), in the dtype and with the batch axes of the basis's grid."""

    def expand(self, raw: Tensor, basis: Basis) -> Tensor:
        """Return the coefficients of raw numbers: (..., B, O) -> (..., B, O)."""
        return self.matrix(basis).to(raw) @ raw

    @abstractmethod
    def contract(self, coefficients: Tensor, basis: Basis) -> Tensor:
        """Return the raw numbers of coefficients, so that `expand` gives these back: (..., B, O) -> (..., B, O)."""


@dataclass(frozen=True)
class Plain(Parameterisation):
    """The coefficients themselves."""

    def matrix(self, basis: Basis) -> Tensor:
        return _spread(torch.eye(basis.size, dtype=torch.float64), basis)

    def expand(self, raw: Tensor, basis: Basis) -> Tensor:
        return raw

    def contract(self, coefficients: Tensor, basis: Basis) -> Tensor:
        return coefficients


@dataclass(frozen=True)
class PrefixSum(Parameterisation):
    """Double running sums: w_2, w_3, ... are the second differences of the coefficients in units of `bend_unit`.

    The penalty on second differences is the identity times the square of that unit, and 0 for w_0 and w_1.

    Args:
        centred: True splits the best straight line off the sums: w_0 is the mean of the coefficients and w_1 half the
            rise of that line. False starts the sums at the left end: w_0 is the first coefficient and w_1 the first
            step times B - 1; the data term's condition number is then two to three decades worse.
    """

    centred: bool = True

    def matrix(self, basis: Basis) -> Tensor:
        return _spread(self.expand(torch.eye(basis.size, dtype=torch.float64), basis), basis)

    def expand(self, raw: Tensor, basis: Basis) -> Tensor:
        size = raw.shape[-2]
        bends = bend_unit(size) * raw[..., 2:, :]
        if not self.centred:
            steps = torch.cat([raw[..., 1:2, :] / max(1, size - 1), bends], -2).cumsum(-2)
            return torch.cat([raw[..., :1, :], steps], -2).cumsum(-2)
        curve = pad(bends, (0, 0, min(2, size), 0)).cumsum(-2).cumsum(-2)
        line = _straight(raw)
        return curve + line @ (raw[..., :2, :] - _straight_part(line, curve))

    def contract(self, coefficients: Tensor, basis: Basis) -> Tensor:
        size, steps = coefficients.shape[-2], coefficients.diff(dim=-2)
        bends = steps.diff(dim=-2) / bend_unit(size)
        if self.centred:
            return torch.cat([_straight_part(_straight(coefficients), coefficients), bends], -2)
        return torch.cat([coefficients[..., :1, :], steps[..., :1, :] * (size - 1), bends], -2)


@dataclass(frozen=True)
class CosineTransform(Parameterisation):
    """Raw numbers are amplitudes of the cosines that make up the second differences: their inverse DCT-II, summed up.

    The plain way is to transform the coefficients and to divide by the eigenvalues l_k = 4 sin^2(pi k / 2B) of the
    second difference with mirrored ends, K. But the penalty has no end rows: D'D = K^2 - r r' - s s' with
    r = e_0 - e_1 and s its mirror image. In scaled amplitudes r is the first column of the transform, u, and s is
    (-1)^k u_k, so the identity is lessened by a term of rank 2 that splits into even and odd frequencies: what is left
    is 1 - (1 - 2/B) along the first, a parabola, and 1 - 1 = 0 along the second, the straight line. That is a condition
    number of B / 2.

    Stretching the parabola's direction would make it 1, but that direction is spread over all even frequencies and
    would mix them. Here the transform acts on the B - 2 second differences themselves, which have no ends to be missed:
    parabola (frequency 0) and straight line stand for themselves, the penalty is the identity times the square of
    `bend_unit`, and 0 for w_0 and w_1, which are those of the centred `PrefixSum`. The data term's condition number is
    close to the least possible, and its matrix close enough to a diagonal one for Adam.

    Source of K's eigenvectors: Strang, The Discrete Cosine Transform, SIAM Review 41, 1999, section 4.
    """

    def matrix(self, basis: Basis) -> Tensor:
        return _spread(self.expand(torch.eye(basis.size, dtype=torch.float64), basis), basis)

    def expand(self, raw: Tensor, basis: Basis) -> Tensor:
        if raw.shape[-2] > 2:
            raw = torch.cat([raw[..., :2, :], inverse_cosine_transform(raw[..., 2:, :])], -2)
        return PrefixSum().expand(raw, basis)

    def contract(self, coefficients: Tensor, basis: Basis) -> Tensor:
        raw = PrefixSum().contract(coefficients, basis)
        if raw.shape[-2] < 3:
            return raw
        return torch.cat([raw[..., :2, :], cosine_transform(raw[..., 2:, :])], -2)


@dataclass(frozen=True, eq=False)
class DemmlerReinsch(Parameterisation):
    """The basis that diagonalises the data term and the penalty at once, from the smoothest function to the roughest.

    With G for the data term and P for the penalty, its columns v solve P v = m G v, 0 = m_0 = m_1 < m_2 < ..., with
    v'Gv = 1, and are divided by sqrt(1 + strength m): M'(G + strength P)M is the identity. At strength 0 M'GM is.
    G is the mean over `samples`, or over the domain; a trace of ridge settles functions that no sample touches.

    Args:
        strength: of the penalty on squared second differences, in units of the mean squared error, >= 0.
        samples: points that the data term is taken over, (..., N), batch axes as the grid's; None for the even
            distribution over the domain.
        ridge: added to G, relative to the mean of its diagonal, > 0.

    Source: Demmler and Reinsch, Oscillation matrices with spline smoothing, Numerische Mathematik 24, 1975.
    """

    strength: float = 0.0
    samples: Tensor | None = None
    ridge: float = 1e-10

    def matrix(self, basis: Basis) -> Tensor:
        functions, scale, _ = self._parts(basis)
        return (functions * scale.unsqueeze(-2)).to(basis.grid)

    def contract(self, coefficients: Tensor, basis: Basis) -> Tensor:
        _, scale, back = self._parts(basis)
        return (back / scale.unsqueeze(-1)).to(coefficients) @ coefficients

    def roughness(self, basis: Basis) -> Tensor:
        """Return the eigenvalues m of the penalty against the data term, rising from two zeros, (..., B) float64."""
        with torch.no_grad():
            return _rotation(data_root(basis, self.samples, self.ridge))[1]

    def _parts(self, basis: Basis) -> tuple[Tensor, Tensor, Tensor]:
        """Return the functions (..., B, B), what each is multiplied with (..., B), and the functions' inverse."""
        with torch.no_grad():
            root = data_root(basis, self.samples, self.ridge)  # (..., B, B), G = root' root
            rotation, rough = _rotation(root)
            functions = torch.linalg.solve_triangular(root, rotation, upper=True)
            # Eigenvectors have no sign of their own: the first coefficient of every function is made positive.
            sign = torch.where(functions[..., :1, :] < 0, -1.0, 1.0)
            scale = (1 + self.strength * rough).rsqrt()
            return functions * sign, scale, (rotation * sign).mT @ root


PARAMETERISATIONS: Registry[type[Parameterisation]] = Registry("parameterisation")
PARAMETERISATIONS.add("plain", Plain)
PARAMETERISATIONS.add("prefix-sum", PrefixSum)
PARAMETERISATIONS.add("dct", CosineTransform)
PARAMETERISATIONS.add("demmler-reinsch", DemmlerReinsch)


def bend_unit(size: int) -> float:
    """Return the second difference of B coefficients that a raw number of one stands for: sqrt(B) BEND / (B - 1)^2."""
    return size**0.5 * BEND / max(1, size - 1) ** 2


def second_differences(size: int) -> Tensor:
    """Return D, (B - 2, B) float64: its rows take c_j - 2 c_(j+1) + c_(j+2); without rows for fewer than three."""
    return torch.eye(size, dtype=torch.float64).diff(dim=0).diff(dim=0)


def data_root(basis: Basis, samples: Tensor | None = None, ridge: float = 0.0) -> Tensor:
    """Return an upper triangle R with R'R = the mean products of the basis functions (+ ridge).

    Args:
        basis: B functions, grid (..., K).
        samples: points to take the mean over, (..., N); None for the even distribution over the domain (Gauss-Legendre
            on every grid piece: exact for splines).
        ridge: added to the diagonal of R'R, relative to its mean, >= 0.

    Returns:
        (..., B, B) float64. Computed from the values themselves: their products would square the condition number.
    """
    exact = replace(basis, grid=basis.grid.to(torch.float64))
    points, weights = _quadrature(exact) if samples is None else _evenly_weighted(samples)
    values = exact.per_point().evaluate(points.to(exact.grid))  # (..., N, B)
    rows = values * weights.sqrt().unsqueeze(-1)
    scale = ridge * rows.square().sum((-2, -1)) / basis.size
    bottom = scale.sqrt()[..., None, None] * torch.eye(basis.size, dtype=torch.float64, device=rows.device)
    return torch.linalg.qr(torch.cat([rows, bottom.expand(*rows.shape[:-2], -1, -1)], -2), mode="r").R


def cosine_transform(values: Tensor) -> Tensor:
    """Return the orthonormal DCT-II along the last axis but one: (..., B, O) -> (..., B, O)."""
    size = values.shape[-2]
    if size < FOURIER_FROM or values.dtype not in (torch.float32, torch.float64):
        return _cosines(size).to(values) @ values
    turn, weight = _turns(values)
    ordered = torch.cat([values[..., ::2, :], values[..., 1::2, :].flip(-2)], -2)
    return (turn.conj() * torch.fft.fft(ordered, dim=-2)).real * weight


def inverse_cosine_transform(amplitudes: Tensor) -> Tensor:
    """Return the orthonormal DCT-III, the inverse of `cosine_transform`: (..., B, O) -> (..., B, O).

    Source of the detour through a Fourier transform: Makhoul, A fast cosine transform in one and two dimensions, 1980.
    """
    size = amplitudes.shape[-2]
    if size < FOURIER_FROM or amplitudes.dtype not in (torch.float32, torch.float64):
        return _cosines(size).to(amplitudes).mT @ amplitudes
    turn, weight = _turns(amplitudes)
    real = amplitudes / weight
    mirrored = pad(real.flip(-2)[..., :-1, :], (0, 0, 1, 0))
    half = (turn * torch.complex(real, -mirrored))[..., : size // 2 + 1, :]
    ordered = torch.fft.irfft(half, n=size, dim=-2)
    front, back = ordered[..., : (size + 1) // 2, :], ordered[..., (size + 1) // 2 :, :].flip(-2)
    # Front and back alternate; an odd size has one more in front.
    paired = torch.stack([front[..., : back.shape[-2], :], back], -2).flatten(-3, -2)
    return torch.cat([paired, front[..., back.shape[-2] :, :]], -2)


def _cosines(size: int) -> Tensor:
    """Return the matrix of the orthonormal DCT-II, (B, B) float64, rows by frequency."""
    frequency = torch.arange(size, dtype=torch.float64)
    angles = torch.pi / (2 * size) * frequency.unsqueeze(-1) * (2 * frequency + 1)
    rows = (2 / size) ** 0.5 * angles.cos()
    rows[0] = size**-0.5
    return rows


def _turns(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return exp(i pi k / 2B) and the orthonormal weights of every frequency, both (B, 1)."""
    size = values.shape[-2]
    angles = torch.pi / (2 * size) * torch.arange(size, dtype=torch.float64, device=values.device)
    weight = torch.full_like(angles, (2 / size) ** 0.5)
    weight[0] = size**-0.5
    real, imaginary, weight = (part.to(values.dtype).unsqueeze(-1) for part in (angles.cos(), angles.sin(), weight))
    return torch.complex(real, imaginary), weight


def _straight(like: Tensor) -> Tensor:
    """Return the constant 1 and the line from -1 to 1 for coefficients (..., B, O): (B, 2), or (1, 1) for B = 1."""
    size = like.shape[-2]
    line = torch.linspace(-1, 1, size, dtype=like.dtype, device=like.device)
    return torch.stack([torch.ones_like(line), line], -1)[:, :size]


def _straight_part(line: Tensor, values: Tensor) -> Tensor:
    """Return the parts of values (..., B, O) along the columns of `_straight`, which are orthogonal: (..., 2, O)."""
    return (line.mT @ values) / line.square().sum(0).unsqueeze(-1)


def _rotation(root: Tensor) -> tuple[Tensor, Tensor]:
    """Return the orthonormal eigenvectors of R^-T P R^-1 and their eigenvalues, rising: (..., B, B), (..., B).

    The two of eigenvalue 0 are known, and the others are the singular vectors of D R^-1, whose singular values carry
    twice the digits of eigenvalues.
    """
    size = root.shape[-1]
    differences = second_differences(size).to(root)
    across = torch.linalg.solve_triangular(root, differences.expand(*root.shape[:-2], -1, -1), upper=True, left=False)
    _, singular, vectors = torch.linalg.svd(across, full_matrices=False)
    straight = torch.linalg.qr(root @ _straight(root)).Q  # (..., B, 2)
    rough = pad(singular.square().flip(-1), (straight.shape[-1], 0))
    return torch.cat([straight, vectors.mT.flip(-1)], -1), rough


def _quadrature(basis: Basis) -> tuple[Tensor, Tensor]:
    """Return Gauss-Legendre points of all grid pieces (..., N) and weights that add up to one."""
    breaks = getattr(basis, "breaks", None)
    ends = basis.even_points(1) if breaks is None else breaks  # (..., G+1)
    nodes, weights = (torch.from_numpy(part).to(ends) for part in _gauss_legendre(basis.degree + 1 + SPARE_POINTS))
    widths = ends.diff(dim=-1).unsqueeze(-1)
    points = ends[..., :-1].unsqueeze(-1) + widths * (nodes + 1) / 2  # (..., G, n)
    shares = widths * weights / 2 / (ends[..., -1:] - ends[..., :1]).unsqueeze(-1)
    return points.flatten(-2), shares.flatten(-2)


def _gauss_legendre(count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(count)


def _evenly_weighted(samples: Tensor) -> tuple[Tensor, Tensor]:
    return samples, torch.full(samples.shape[-1:], 1 / samples.shape[-1], dtype=torch.float64, device=samples.device)


def _spread(matrix: Tensor, basis: Basis) -> Tensor:
    """Give (B, B) the batch axes, the dtype and the device of a basis; entries are shared, not copied."""
    return matrix.to(basis.grid).expand(*basis.grid.shape[:-1], -1, -1)
