"""Sums of products: c1 x^p11 y^p12 f(z) + c2 x^p21 ... + ..., from many starts of Levenberg-Marquardt at once.

This is a network of product nodes whose edges are powers and a few primitives. The exponents are trained; the
primitives join one at a time, each tried on every edge inside the whole network, and the best few networks go on.
Exponents that lie near small fractions within their standard errors become exact; a few others may stay as they were
trained, as in laws of growth. With few numbers to fit it is nearly immune to noise.

Under the logarithm of the target the logarithms of the columns stand beside the products, so that a power law times
an exponential, A T^2 exp(-W/T), is a sum of one product.
"""

from kansym.symbolic.signomials.exponents import near_fraction
from kansym.symbolic.signomials.sums import MOST_TERMS, powers, products

__all__ = ["MOST_TERMS", "near_fraction", "powers", "products"]
