"""Levenberg-Marquardt on many sums of products at once: coefficients by least squares, exponents by steps."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kansym.symbolic.signomials.table import ProductTable, sign_products

Array = np.ndarray
LARGEST_EXPONENT = 14.0
CLEAN = 1e-12  # a misfit that is rounding


@dataclass(frozen=True)
class Sums:
    """S sums of K products: coefficients (S, K), exponents (S, K, P), odd (S, K, P): whether the sign of a column
    enters, chosen primitives and signs (S, K, N) as values, primitives (S, K, D + 2) as numbers; loss (S,)."""

    coefficients: Array
    exponents: Array
    odd: Array
    values: Array
    chosen: Array
    loss: Array

    def take(self, rows: Array) -> Sums:
        return Sums(*(item[rows] for item in vars(self).values()))


def joined_sums(first: Sums, second: Sums) -> Sums:
    pairs = zip(vars(first).values(), vars(second).values(), strict=True)
    return Sums(*(np.concatenate(pair) for pair in pairs))


def best_of(starts: Sums, count: int) -> Sums:
    return starts.take(np.argsort(starts.loss, kind="stable")[:count])


def replaced_by(table: ProductTable, chosen: Array) -> Array:
    """Where a primitive stands for the power (..., K, P) of a column that changes sign: it has one or the other."""
    return (chosen[..., list(table.scaled)] > 0) & np.any(table.negative, axis=0)


def placed(table: ProductTable, starts: Sums) -> Sums:
    """The starts with their primitives' values on these rows, and their coefficients solved for."""
    values = np.prod(table.factors.T[starts.chosen], axis=2)  # (S, K, N)
    values = values / np.maximum(np.max(np.abs(values), axis=2, keepdims=True, initial=0.0), 1e-300)
    values = values / np.maximum(np.sqrt(np.mean(values**2, axis=2, keepdims=True)), 1e-300)
    if len(table.patterns) > 1:
        values = values * sign_products(table.negative, starts.odd)
    state = replace(starts, values=values)
    products = values_of(table, state.exponents, state.values)
    coefficients = _coefficients(table, products)
    return replace(state, coefficients=coefficients, loss=_losses(table, products, coefficients))


def values_of(table: ProductTable, exponents: Array, values: Array) -> Array:
    return np.exp(np.clip(exponents @ table.logs.T, -60.0, 60.0)) * values  # (S, K, N)


def _coefficients(table: ProductTable, products: Array) -> Array:
    weighted = table.weighted(products)
    gram = np.matmul(weighted, weighted.transpose(0, 2, 1))
    side = weighted @ table.weighted(table.target)
    scale = np.sqrt(np.maximum(np.einsum("skk->sk", gram), 1e-300))
    scaled = gram / scale[:, :, None] / scale[:, None, :] + 1e-10 * np.eye(gram.shape[1])
    return np.linalg.solve(scaled, (side / scale)[..., None])[..., 0] / scale


def _losses(table: ProductTable, products: Array, coefficients: Array) -> Array:
    residual = table.weighted(np.einsum("skn,sk->sn", products, coefficients) - table.target)
    loss = np.mean(residual**2, axis=1)
    return np.where(np.isfinite(loss), loss, np.inf)


def fit_sums(table: ProductTable, starts: Sums, steps: int, free: Array | None = None) -> Sums:
    """Levenberg-Marquardt on coefficients and exponents of all starts; free (K, P): which exponents may change."""
    c, p, loss = starts.coefficients.copy(), starts.exponents.copy(), starts.loss.copy()
    damping = np.full(len(loss), 1e-2)
    products = values_of(table, p, starts.values)
    moving = ~replaced_by(table, starts.chosen) if free is None else free[None]
    for _ in range(steps):
        step = _step(table, products, c, damping, moving)
        trial_c, trial_p = (
            c - step[..., 0],
            np.clip(p - np.clip(step[..., 1:], -1.0, 1.0), -LARGEST_EXPONENT, LARGEST_EXPONENT),
        )
        trial = values_of(table, trial_p, starts.values)
        new = _losses(table, trial, trial_c)
        better = new < loss
        done = np.all(~better | (loss - new <= 1e-9 * loss)) or loss.min() < 1e-30
        c, p = np.where(better[:, None], trial_c, c), np.where(better[:, None, None], trial_p, p)
        products = np.where(better[:, None, None], trial, products)
        loss = np.where(better, new, loss)
        damping = np.where(better, damping * 0.3, damping * 4.0)
        if done and np.any(better):
            break
    return replace(starts, coefficients=c, exponents=p, loss=loss)


def _step(table: ProductTable, products: Array, coefficients: Array, damping: Array, free: Array) -> Array:
    """The damped Gauss-Newton step (S, K, 1 + P) of coefficients and free exponents (S, K, P)."""
    starts, terms, count = products.shape
    slopes = np.empty((starts, terms, 1 + table.logs.shape[1], count))
    slopes[:, :, 0] = products
    slopes[:, :, 1:] = (products * coefficients[..., None])[:, :, None] * table.logs.T
    slopes[:, :, 1:] *= free[..., None]
    slopes = table.weighted(slopes).reshape(starts, -1, count)
    residual = table.weighted(np.einsum("skn,sk->sn", products, coefficients) - table.target)
    gram = np.matmul(slopes, slopes.transpose(0, 2, 1))
    side = np.matmul(slopes, residual[..., None])[..., 0]
    scale = np.sqrt(np.maximum(np.einsum("sii->si", gram), 1e-200))
    scaled = gram / scale[:, :, None] / scale[:, None, :]
    index = np.arange(gram.shape[1])
    scaled[:, index, index] = 1.0 + np.maximum(damping, 1e-9)[:, None]
    step = np.linalg.solve(np.where(np.isfinite(scaled), scaled, 0.0), (side / scale)[..., None])[..., 0] / scale
    return np.where(np.isfinite(step), step, 0.0).reshape(starts, terms, -1)
