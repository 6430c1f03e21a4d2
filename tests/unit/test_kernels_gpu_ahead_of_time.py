"""Triton kernels compiled for a Hopper GPU without one: what they store, which instructions they use and spill."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kansym.kernels.gpu import Kind
from kansym.kernels.gpu.blocks import Blocks, Precision, Shape, input_blocks, sum_blocks, weight_blocks
from kansym.kernels.gpu.launch import kernels

triton = pytest.importorskip("triton")

# One multiprocessor of a Hopper GPU lets one program have this much memory.
SHARED_BYTES = 227 * 1024
WIDE = Shape(1, 16384, 784, 256, 8)
TINY = Shape(1000, 1000, 4, 8, 8)
ELEMENTS: dict[Precision, str] = {"ieee": "fp32", "tf32": "fp32", "tf32x3": "fp32", "bf16": "bf16", "fp64": "fp64"}
BYTES = {"bf16": 2, "fp32": 4, "fp64": 8}
TENSOR_CORES = {
    "tf32": r"wgmma\.mma_async\S*\.tf32\.tf32",
    "tf32x3": r"wgmma\.mma_async\S*\.tf32\.tf32",
    "bf16": r"wgmma\.mma_async\S*\.f32\.bf16\.bf16",
    "fp64": r"mma\.sync\S*\.f64\.f64\.f64\.f64",
}


@dataclass(frozen=True)
class Compiled:
    """A kernel for one shape: its assembly, its machine code, and what a tile of its result is."""

    assembly: str
    binary: bytes
    shared: int
    threads: int
    tile_bytes: int

    @property
    def stored_bytes(self) -> int:
        """Bytes that all threads of one program store to the device's memory, by every store in the code."""
        widths = {"": 1, ".v2": 2, ".v4": 4, ".v8": 8}
        stores = re.findall(r"\bst\.global((?:\.[a-z]\w*)*?)(\.v[248])?\.[bfsu](\d+)\b", self.assembly)
        return self.threads * sum(widths[vector] * int(bits) // 8 for _, vector, bits in stores)


def compiled(name: str, shape: Shape, precision: Precision, kind: Kind = Kind.EVEN_SPLINE, parts: int = 1) -> Compiled:
    """Compile a kernel as a launch with tensors aligned to 16 bytes and rows without gaps would."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    kernel = getattr(kernels(), name)
    blocks = chosen(name, shape, precision)
    constants = constants_of(name, shape, blocks, precision, kind) | ({"PARTS": parts} if parts > 1 else {})
    element = ELEMENTS[precision]
    wide = "fp64" if precision == "fp64" else "fp32"
    pointers = dict.fromkeys(("x", "weight", "slope", "result"), element) | {"grid": wide}
    pointers |= {"partial": wide, "arrived": "i32"} if parts > 1 else {"partial": element, "arrived": element}
    aligned = {*pointers, "rows", "inputs", "outputs", "x_member", "x_row", "slope_member", "slope_row"}
    source = ASTSource(
        kernel,
        {n: "constexpr" if n in constants else f"*{pointers[n]}" if n in pointers else "i32" for n in kernel.arg_names},
        {(kernel.arg_names.index(n),): value for n, value in constants.items()},
        {(i,): [["tt.divisibility", 16]] for i, n in enumerate(kernel.arg_names) if n in aligned - constants.keys()},
    )
    options = {"num_warps": blocks.warps, "num_stages": blocks.stages, "enable_fp_fusion": True}
    result = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)
    tile = (blocks.features, blocks.outputs) if "weight" in name else (blocks.rows, blocks.outputs)
    tile = (blocks.rows, blocks.features) if "input" in name else tile
    return Compiled(
        result.asm["ptx"],
        result.asm["cubin"],
        result.metadata.shared,
        32 * blocks.warps,
        tile[0] * tile[1] * BYTES[element],
    )


def chosen(name: str, shape: Shape, precision: Precision) -> Blocks:
    """Return the tiles of a device with one multiprocessor, which never cuts sums into parts."""
    if name == "input_gradient_kernel":
        return input_blocks(shape, precision)
    return (sum_blocks if name == "sum_kernel" else weight_blocks)(shape, precision, 1)


def constants_of(name: str, shape: Shape, blocks: Blocks, precision: Precision, kind: Kind) -> dict[str, Any]:
    constants: dict[str, Any] = {
        "KIND": int(kind),
        "DEGREE": 3 if kind in (Kind.EVEN_SPLINE, Kind.KNOT_SPLINE) else 0,
        "BASE": True,
        "PRECISION": precision,
        "BLOCK_ROWS": blocks.rows,
        "BLOCK_OUTPUTS": blocks.outputs,
        "x_input": 1,
        "grid_knot": 1,
    }
    if name == "input_gradient_kernel":
        constants |= {"BLOCK_INPUTS": blocks.features, "WHOLE": shape.outputs <= blocks.outputs}
    else:
        constants |= {"BLOCK_FEATURES": blocks.features, "FLAT": blocks.flat, "PARTS": 1}
    return constants if name == "sum_kernel" else constants | {"slope_output": 1}


def spilled_bytes(binary: bytes, folder: Path) -> int:
    """Return how many bytes of registers every thread keeps in memory, as the machine code's header says."""
    tool = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
    if not tool.exists():
        pytest.skip("this triton comes without cuobjdump")
    file = folder / "kernel.cubin"
    file.write_bytes(binary)
    command = [str(tool), "--dump-resource-usage", str(file)]
    usage = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    found = re.search(r"STACK:(\d+).*?LOCAL:(\d+)", usage)
    assert found, usage
    return int(found[1]) + int(found[2])


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile anew and leave nothing behind."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "cache"))


NAMES = ("sum_kernel", "weight_gradient_kernel", "input_gradient_kernel")
COMPILED = [
    *((name, WIDE, precision, Kind.EVEN_SPLINE) for name in NAMES for precision in ("tf32", "bf16")),
    ("sum_kernel", WIDE, "tf32x3", Kind.EVEN_SPLINE),
    ("sum_kernel", WIDE, "ieee", Kind.EVEN_SPLINE),
    ("sum_kernel", WIDE, "fp64", Kind.EVEN_SPLINE),
    ("sum_kernel", TINY, "tf32", Kind.EVEN_SPLINE),
    ("sum_kernel", TINY, "fp64", Kind.EVEN_SPLINE),
]


@pytest.mark.parametrize(("name", "shape", "precision", "kind"), COMPILED)
def test_a_kernel_stores_its_result_only_and_keeps_its_registers(name, shape, precision, kind, tmp_path: Path):
    kernel = compiled(name, shape, precision, kind)
    assert kernel.stored_bytes == kernel.tile_bytes, "something besides the tile of the result goes to memory"
    assert kernel.shared <= SHARED_BYTES
    assert spilled_bytes(kernel.binary, tmp_path) == 0
    assert "st.local" not in kernel.assembly
    if precision in TENSOR_CORES:
        assert re.search(TENSOR_CORES[precision], kernel.assembly), "the products do not run on tensor cores"
    else:
        assert not re.search(r"mma", kernel.assembly), "single precision must not be rounded"


@pytest.mark.parametrize("kind", [Kind.KNOT_SPLINE, Kind.RSWAF, Kind.GAUSSIAN])
def test_other_families_compile_and_store_nothing_else_either(kind: Kind):
    kernel = compiled("sum_kernel", TINY, "tf32", kind)
    assert kernel.stored_bytes == kernel.tile_bytes


def test_a_sum_in_parts_counts_arrivals_with_release_and_acquire():
    kernel = compiled("sum_kernel", TINY, "tf32", parts=4)
    assert re.search(r"\batom\S*\.acq_rel\S*\.add", kernel.assembly)
    # The part, the sum of all parts, and the counter's way back to zero.
    assert kernel.stored_bytes == 2 * kernel.tile_bytes + 4 * kernel.threads
