"""The arrays of a run folder: points.npz and model.safetensors, read without trusting them."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from kansym.errors import ModelFileError
from kansym.result import Points
from kansym.storage.folder import LIMITS, MAX_POINTS, RESULT


def read_points(content: bytes, inputs: int) -> Points:
    """The points of `points.npz`, for a table with that many inputs. Raises ModelFileError."""
    arrays = _npz(content)
    if set(arrays) != {"inputs", "measured", "predicted", "part"}:
        raise ModelFileError("points.npz does not hold inputs, measured, predicted and part")
    rows = arrays["measured"].shape[0] if arrays["measured"].ndim else 0
    shapes = {"inputs": (rows, inputs), "measured": (rows,), "predicted": (rows,), "part": (rows,)}
    for name, shape in shapes.items():
        kind = "U" if name == "part" else "f"
        if arrays[name].shape != shape or arrays[name].dtype.kind != kind or rows > MAX_POINTS:
            raise ModelFileError(f"points.npz: {name} has shape {arrays[name].shape}, expected {shape}")
    part = tuple(str(item) for item in arrays["part"])
    return Points(arrays["inputs"], arrays["measured"], arrays["predicted"], part)


def _npz(content: bytes) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(item.file_size for item in archive.infolist()) > LIMITS["points.npz"]:
                raise ModelFileError("points.npz unpacks to more than it may")
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {name: np.asarray(arrays[name]) for name in arrays.files}
    except (ValueError, OSError, EOFError, KeyError, RuntimeError, MemoryError) as error:
        raise ModelFileError(f"points.npz is damaged ({error})") from error
    except (zipfile.BadZipFile, zlib.error) as error:
        raise ModelFileError(f"points.npz is damaged ({error})") from error


def read_weights(content: bytes, expected: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The weights of `model.safetensors`, which must be those that `expected` names. Raises ModelFileError."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as from_bytes

    try:
        weights = from_bytes(content)
    except (SafetensorError, KeyError, ValueError) as error:
        raise ModelFileError(f"model.safetensors is damaged ({error})") from error
    found = {name: {"shape": list(array.shape), "dtype": str(array.dtype)} for name, array in weights.items()}
    if found != dict(expected):
        raise ModelFileError(f"model.safetensors does not hold the weights that {RESULT} names")
    for name, array in weights.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ModelFileError(f"model.safetensors: {name} holds numbers that are not finite")
    return {name: weights[name] for name in sorted(weights)}
