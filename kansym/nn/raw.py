"""A trained network as a function of the user's own columns: scaled, evaluated, and scaled back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kansym.errors import ConfigError
from kansym.nn.kan import KAN
from kansym.nn.paths import PATHS


class RawNetwork(nn.Module):
    """One network from rows (N, D) in raw units to values (N,), in plain torch, so that it can be traced and exported.

    Attributes:
        kan: the network, one member.
        columns: which of the D columns it reads.
    """

    shift: Tensor
    scale: Tensor
    columns: Tensor

    def __init__(self, kan: KAN, columns: Sequence[int], inputs: tuple[Any, Any], target: tuple[float, float]) -> None:
        """Args:

        kan: with one output.
        columns: of the rows, one for each of the network's inputs.
        inputs: shift and scale of each of these columns.
        target: shift and scale of the values.
        """
        super().__init__()
        self.kan = kan
        self.register_buffer("columns", torch.tensor(list(columns), dtype=torch.int64))
        self.register_buffer("shift", torch.tensor(inputs[0], dtype=torch.float64))
        self.register_buffer("scale", torch.tensor(inputs[1], dtype=torch.float64))
        self.target_shift, self.target_scale = target

    @classmethod
    def of(cls, structure: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> RawNetwork:
        """Rebuild what a run keeps of its network: `Result.network`.

        Raises ConfigError for a run that does not say how its columns were scaled, or one with edges fixed by hand.
        """
        if structure.get("fixed"):
            raise ConfigError("edges of this network were fixed by hand: export the formula instead")
        if "input_powers" not in structure:
            raise ConfigError("this run was saved by an earlier kansym, without the scale of its network: fit it again")
        kan = KAN.from_tensors(
            structure["kan"], {name: torch.from_numpy(array.copy()) for name, array in tensors.items()}
        )
        powers, power = np.array(structure["input_powers"]), float(structure["target_power"])
        shift, scale = np.array(structure["input_shift"]) * powers, np.array(structure["input_scale"]) * powers
        target = float(structure["target_shift"][0]) * power, float(structure["target_scale"][0]) * power
        columns = structure.get("columns") or range(len(powers))
        return cls(kan, columns, (shift.tolist(), scale.tolist()), target)

    def forward(self, rows: Tensor) -> Tensor:
        """Values (N,) at rows (N, D) in raw units."""
        seen = (rows.to(torch.float64).index_select(1, self.columns) - self.shift) / self.scale
        hidden, plain = seen.unsqueeze(0), PATHS.get("reference")
        for place, layer in enumerate(self.kan.stack):
            hidden = self.kan.combine(plain.run(layer, hidden), place)
        return hidden[0, :, 0] * self.target_scale + self.target_shift
