"""Which training method suits a problem, and why: a rule made from measured times."""

from __future__ import annotations

from dataclasses import dataclass

from kansym.nn import KAN

# Measured seconds to a mean square of 1e-6 (1,000 rows, one thread) by Levenberg-Marquardt, L-BFGS and a polished run:
# 480 parameters .03 .41 .13; 640: .09 .39 .17; 936: .59 .66 .31; 1248: .57 .57 .32; 2448: 2.3 .71 1.7.
MOST_FOR_NEWTON = 800
MOST_FOR_POLISH = 2000
# Above this many rows a gradient over all of them is wasteful while the loss is still large.
MOST_FOR_FULL_BATCH = 50_000


@dataclass(frozen=True)
class Choice:
    """A method of `kansym.training.optimizers.OPTIMIZERS` and one sentence that says why it was taken."""

    name: str
    why: str


def choose(model: KAN, rows: int, asked: str = "auto") -> Choice:
    """Return the method that suits the number of parameters and rows, or the one asked for.

    Args:
        model: the population; its largest member counts.
        rows: N.
        asked: a name in `OPTIMIZERS`, or "auto".
    """
    if asked != "auto":
        return Choice(asked, f"{asked}: asked for by name.")
    size = parameters(model)
    facts = f"{size} parameters, {rows:,} rows"
    if any(layer.options.learn_grid for layer in model.stack):
        return Choice("adam", f"adam: the grids are learnt too, which only Adam does ({facts}).")
    if rows > MOST_FOR_FULL_BATCH:
        return Choice("adam", f"adam: {facts}; above {MOST_FOR_FULL_BATCH:,} rows mini-batches win.")
    if size <= MOST_FOR_NEWTON:
        bound = f"up to {MOST_FOR_NEWTON} parameters second-order steps were measured to win"
        return Choice("levenberg_marquardt", f"levenberg_marquardt: {facts}; {bound}.")
    if size <= MOST_FOR_POLISH:
        bound = f"between {MOST_FOR_NEWTON} and {MOST_FOR_POLISH:,} parameters a first-order start was measured to win"
        return Choice("polished", f"polished: {facts}; {bound}.")
    return Choice("lbfgs", f"lbfgs: {facts}; above {MOST_FOR_POLISH:,} parameters second-order matrices cost too much.")


def parameters(model: KAN) -> int:
    """Return how many weights the largest member has."""
    size = sum(layer.mask.flatten(1).sum(1) * layer.features_per_input for layer in model.stack)
    return int(size.max())  # type: ignore[union-attr]
