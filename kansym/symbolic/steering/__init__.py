"""What the user may say about the law: formulas to begin with, its outline, statements that it obeys, known numbers."""

from __future__ import annotations

from kansym.symbolic.steering.reductions import Reduction
from kansym.symbolic.steering.steering import Steering, read_steering

__all__ = ["Reduction", "Steering", "read_steering"]
