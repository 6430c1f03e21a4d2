"""Other numbers for the same coefficients: changes of variables that make a smoothness penalty well-conditioned.

The coefficients c of a basis are a matrix times raw numbers w that are trained in their place, c = M w. The penalty on
the second differences of the coefficients, P = D'D, then becomes M'PM, and the data term, with G the mean products of
the basis functions over the data, becomes M'GM. With the coefficients themselves P has a condition number that grows
like B^4. No M makes both terms well-conditioned: the product of their condition numbers is never less than the ratio
of the extreme eigenvalues of P against G, which grows like B^4 too. So a parameterisation moves the trouble (plain,
prefix-sum, dct) or, where the strength of the penalty is known, solves it for the sum (demmler-reinsch).

The prefix sum, the corrected transform and Demmler-Reinsch share one layout: w_0 is a constant, w_1 a straight line,
and the penalty is a diagonal matrix that is 0 for these two; for the first two it is `bend_unit` squared for all others.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from kansym.bases.base import Basis
from kansym.registry import Registry

# From this size on a fast Fourier transform is quicker than a product with the matrix of cosines.
FOURIER_FROM = 192
# Quadrature points per grid piece beyond the degree + 1 that are exact for splines: for bases that are no polynomials.
SPARE_POINTS = 2
# The second derivative of the smoothest bend of size one on a domain of length one: the lowest frequency of a beam with
# free ends, 4.7300^2. Raw numbers count in this unit, so that a smooth function of order one has raw numbers of order one.
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
    """Double running sums: raw numbers are the first coefficient, the first slope, and the second differences.

    In units of the domain, so that raw numbers of order one give functions of order one at every B: c_0 = w_0,
    c_1 - c_0 = w_1 / (B - 1) and c_j - 2 c_(j-1) + c_(j-2) = `bend_unit` w_j. The penalty on second differences is
    the identity times the square of that unit, and 0 for w_0 and w_1.
    """

    def matrix(self, basis: Basis) -> Tensor:
        return _spread(self._sum(torch.eye(basis.size, dtype=torch.float64)), basis)

    def expand(self, raw: Tensor, basis: Basis) -> Tensor:
        return self._sum(raw)

    def contract(self, coefficients: Tensor, basis: Basis) -> Tensor:
        first = coefficients[..., :1, :]
        steps = coefficients.diff(dim=-2)
        bends = steps.diff(dim=-2)
        size = coefficients.shape[-2]
        return torch.cat([first, steps[..., :1, :] / _spacing(size), bends / bend_unit(size)], -2)

    @staticmethod
    def _sum(raw: Tensor) -> Tensor:
        size = raw.shape[-2]
        steps = torch.cat([_spacing(size) * raw[..., 1:2, :], bend_unit(size) * raw[..., 2:, :]], -2).cumsum(-2)
        return torch.cat([raw[..., :1, :], steps], -2).cumsum(-2)


@dataclass(frozen=True)
class CosineTransform(Parameterisation):
    """Raw numbers are amplitudes of the second derivative's cosines: an inverse DCT-II, each frequency scaled.

    DCT-II (orthonormal, C) diagonalises the square of the second difference with mirrored ends, K = C' diag(l) C with
    l_k = 4 sin^2(pi k / 2B). The penalty lacks its two end rows: D'D = K^2 - r r' - s s' with r = e_0 - e_1 and s its
    mirror image. Scaled by 1 / l_k, r becomes u_k = C_k0 and s becomes (-1)^k u_k, which makes the penalty the
    identity less a rank-2 term that splits into even and odd frequencies. Along the even part p of u its eigenvalue is
    1 - (1 - 2/B) = 2/B: there the raw direction is stretched by sqrt(B/2). Along the odd part q it is 1 - 1 = 0: q is the
    straight line, and a reflection puts it in place of w_1. What is left is exactly the identity, 0 for w_0 and w_1.
    All of it is in units of the domain: the penalty is the identity times `bend_unit` squared, as for the prefix sum.

    Args:
        corrected: False leaves the rank-2 correction out: the condition number is then B / 2, and the straight line is
            no raw number of its own.

    Source of K's eigenvectors: Strang, The Discrete Cosine Transform, SIAM Review 41, 1999, section 4.
    """

    corrected: bool = True

    def matrix(self, basis: Basis) -> Tensor:
        return _spread(self._expand(torch.eye(basis.size, dtype=torch.float64)), basis)

    def expand(self, raw: Tensor, basis: Basis) -> Tensor:
        return self._expand(raw)

    def contract(self, coefficients: Tensor, basis: Basis) -> Tensor:
        if coefficients.shape[-2] < 3:
            return PrefixSum().contract(coefficients, basis)
        parts = _CosineParts.of(coefficients)
        raw = cosine_transform(coefficients) / parts.scale
        if not self.corrected:
            return raw
        raw = raw + (1 / parts.stretch - 1) * _along(parts.even, raw)
        return _reflect(parts.mirror, raw) / parts.first

    def _expand(self, raw: Tensor) -> Tensor:
        if raw.shape[-2] < 3:  # there is no second difference to be scaled
            return PrefixSum()._sum(raw)
        parts = _CosineParts.of(raw)
        if self.corrected:
            raw = _reflect(parts.mirror, raw * parts.first)
            raw = raw + (parts.stretch - 1) * _along(parts.even, raw)
        return inverse_cosine_transform(raw * parts.scale)


@dataclass(frozen=True, eq=False)
class DemmlerReinsch(Parameterisation):
    """The basis that diagonalises the data term and the penalty at once, from the smoothest function to the roughest.

    With G v = data, P v = penalty, its columns v solve P v = m G v, 0 = m_0 = m_1 < m_2 < ..., with v'Gv = 1, and
    are divided by sqrt(1 + strength m): data + strength * penalty is the identity. At strength 0 the data term alone is.
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
        _, scale, _ = self._parts(basis, strength=1.0)
        return 1 / scale.square() - 1

    def _parts(self, basis: Basis, strength: float | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Return the functions (..., B, B), what each is multiplied with (..., B), and the functions' inverse."""
        with torch.no_grad():
            root = data_root(basis, self.samples, self.ridge)  # (..., B, B), G = root' root
            rotation, rough = _rotation(root)
            functions = torch.linalg.solve_triangular(root, rotation, upper=True)
            # Eigenvectors have no sign of their own: every function starts upwards.
            sign = torch.where(functions[..., :1, :] < 0, -1.0, 1.0)
            scale = (1 + (self.strength if strength is None else strength) * rough).rsqrt()
            return functions * sign, scale, (rotation * sign).mT @ root


PARAMETERISATIONS: Registry[type[Parameterisation]] = Registry("parameterisation")
PARAMETERISATIONS.add("plain", Plain)
PARAMETERISATIONS.add("prefix-sum", PrefixSum)
PARAMETERISATIONS.add("dct", CosineTransform)
PARAMETERISATIONS.add("demmler-reinsch", DemmlerReinsch)


def bend_unit(size: int) -> float:
    """Return the second difference of B coefficients that a raw number of one stands for: sqrt(B) BEND / (B - 1)^2."""
    return size**0.5 * BEND * _spacing(size) ** 2


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
    points, weights = _quadrature(basis) if samples is None else _evenly_weighted(samples)
    values = basis.per_point().evaluate(points.to(basis.grid)).to(torch.float64)  # (..., N, B)
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


@dataclass(frozen=True)
class _CosineParts:
    """The diagonal and the vectors of the corrected transform, each (B, 1).

    scale: bend_unit / l_k, sqrt(B) for the constant. even: the unit vector p. mirror: the vector of the reflection that swaps e_1 and q.
    first: 1 but for the straight line, which is to run from -1 to 1. stretch: sqrt(B / 2).
    """

    scale: Tensor
    even: Tensor
    mirror: Tensor
    first: Tensor
    stretch: float

    @classmethod
    def of(cls, like: Tensor) -> _CosineParts:
        """Return the parts for tensors (..., B, O) like the given one."""
        size = like.shape[-2]
        frequency = torch.arange(size, dtype=torch.float64)
        half_angle = torch.pi / (2 * size) * frequency
        start = (2 / size) ** 0.5 * half_angle.cos()  # u: the first column of the DCT
        bends = bend_unit(size) / (2 * half_angle[1:].sin()) ** 2
        scale = torch.cat([torch.tensor([size**0.5], dtype=torch.float64), bends])
        is_even = (frequency % 2 == 0) & (frequency > 0)
        even = torch.where(is_even, start, 0.0) * (2 / (1 - 2 / size)) ** 0.5
        odd = torch.where(frequency % 2 == 1, -start, 0.0) * 2**0.5
        unit = torch.zeros_like(odd)
        unit[1] = 1
        first = torch.ones_like(odd)
        first[1] = -1 / (start * scale * odd).sum()
        vectors = (scale, even, (unit - odd) / torch.linalg.vector_norm(unit - odd), first)
        return cls(*(vector.to(like).unsqueeze(-1) for vector in vectors), stretch=(size / 2) ** 0.5)


def _along(direction: Tensor, values: Tensor) -> Tensor:
    """Return the part of every column of (..., B, O) that lies along a unit vector (B, 1)."""
    return direction * (direction.mT @ values)


def _reflect(direction: Tensor, values: Tensor) -> Tensor:
    """Mirror every column of (..., B, O) at the plane across a unit vector (B, 1)."""
    return values - 2 * _along(direction, values)


def _rotation(root: Tensor) -> tuple[Tensor, Tensor]:
    """Return the orthonormal eigenvectors of R^-T P R^-1 and their eigenvalues, rising: (..., B, B), (..., B).

    The two of eigenvalue 0 are known, and the others are the singular vectors of D R^-1, whose singular values carry
    twice the digits of eigenvalues.
    """
    size = root.shape[-1]
    differences = second_differences(size).to(root)
    across = torch.linalg.solve_triangular(root, differences.expand(*root.shape[:-2], -1, -1), upper=True, left=False)
    _, singular, vectors = torch.linalg.svd(across, full_matrices=False)
    line = torch.linspace(-1, 1, size, dtype=root.dtype, device=root.device)
    flat = torch.stack([torch.ones_like(line), line], -1)[..., :size]
    straight = torch.linalg.qr(root @ flat).Q  # (..., B, 2)
    rough = pad(singular.square().flip(-1), (straight.shape[-1], 0))
    return torch.cat([straight, vectors.mT.flip(-1)], -1), rough


def _quadrature(basis: Basis) -> tuple[Tensor, Tensor]:
    """Return Gauss-Legendre points of all grid pieces (..., N) and weights that add up to one."""
    breaks = getattr(basis, "breaks", None)
    ends = (basis.even_points(1) if breaks is None else breaks).to(torch.float64)  # (..., G+1)
    nodes, weights = (torch.from_numpy(part).to(ends) for part in _gauss_legendre(basis.degree + 1 + SPARE_POINTS))
    widths = ends.diff(dim=-1).unsqueeze(-1)
    points = ends[..., :-1].unsqueeze(-1) + widths * (nodes + 1) / 2  # (..., G, n)
    shares = widths * weights / 2 / (ends[..., -1:] - ends[..., :1]).unsqueeze(-1)
    return points.flatten(-2), shares.flatten(-2)


def _gauss_legendre(count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(count)


def _evenly_weighted(samples: Tensor) -> tuple[Tensor, Tensor]:
    return samples, torch.full(samples.shape[-1:], 1 / samples.shape[-1], dtype=torch.float64, device=samples.device)


def _spacing(size: int) -> float:
    """Return the share of the domain between two neighbouring coefficients."""
    return 1 / max(1, size - 1)


def _spread(matrix: Tensor, basis: Basis) -> Tensor:
    """Give (B, B) the batch axes, the dtype and the device of a basis; entries are shared, not copied."""
    return matrix.to(basis.grid).expand(*basis.grid.shape[:-1], -1, -1)
