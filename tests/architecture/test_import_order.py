"""Who may know whom, read from the source without importing it: left never imports right."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = {
    "kansym": ROOT / "kansym",
    "kansym_cli": ROOT / "cli/kansym_cli",
    "kansym_datasets": ROOT / "datasets/kansym_datasets",
}

# Left to right as in docs/design.md. Rooms on one line are neighbours and may know each other (but not in a circle).
ORDER = (
    ("errors", "events", "registry", "config", "budget", "threads"),
    ("data",),
    ("bases", "kernels"),
    ("nn",),
    ("training",),
    ("graph", "pruning"),
    ("structure",),
    ("symbolic",),
    ("result",),
    ("export", "report"),
    ("listeners",),
    ("storage",),
    ("discovery", "narrowing", "problem", "editing", "pipeline", "vector"),
    ("classification",),
    ("physics",),
    ("sklearn", "testing", "bench", "workbench"),
    ("experiments",),
)
RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms}

# A third-party package, and the only place that may import it.
HOMES = {
    "matplotlib": ("kansym.report",),
    "click": ("kansym_cli",),
    "rich": ("kansym_cli",),
    "sklearn": ("kansym.sklearn", "kansym.experiments.digits"),
    "narwhals": ("kansym.data",),
    "threadpoolctl": ("kansym.threads",),
    "safetensors": ("kansym.storage",),
    "triton": ("kansym.kernels.gpu",),
    "onnx": ("kansym.export.onnx_form", "kansym.export.network_form"),
    "IPython": ("kansym.listeners.live_plot",),
}
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "code", "runpy"}
NETWORK_MODULES = {
    "socket",
    "ssl",
    "urllib.request",
    "http",
    "ftplib",
    "smtplib",
    "requests",
    "httpx",
    "xmlrpc",
    "webbrowser",
}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_NAMES = {"sympify", "parse_expr", "parse_latex"}


@dataclass(frozen=True)
class Source:
    """One file of the project: its dotted module name, path and syntax tree."""

    module: str
    path: Path
    tree: ast.Module

    @property
    def package(self) -> str:
        return self.module if self.path.name == "__init__.py" else self.module.rpartition(".")[0]

    @property
    def room(self) -> str:
        """The second part of `kansym.symbolic.matching`: `symbolic`; empty for `kansym` itself."""
        return (self.module.split(".") + [""])[1]


def _module_name(package: str, folder: Path, path: Path) -> str:
    parts = path.relative_to(folder).with_suffix("").parts
    return ".".join((package, *(part for part in parts if part != "__init__")))


@cache
def sources(package: str) -> tuple[Source, ...]:
    folder = FOLDERS[package]
    paths = sorted(folder.rglob("*.py"))
    return tuple(
        Source(_module_name(package, folder, path), path, ast.parse(path.read_text("utf-8"))) for path in paths
    )


def everything() -> tuple[Source, ...]:
    return tuple(source for package in FOLDERS for source in sources(package))


def _targets(node: ast.AST, package: str) -> list[str]:
    """Return the dotted names that an import statement reaches for; relative imports are made absolute."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
        base = ".".join([*above, *([node.module] if node.module else [])])
        return [f"{base}.{alias.name}" for alias in node.names]
    return []


def imports(source: Source) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) of every import, also those inside functions and under TYPE_CHECKING."""
    for node in ast.walk(source.tree):
        for target in _targets(node, source.package):
            yield node.lineno, target  # type: ignore[attr-defined]


def within(module: str, home: str) -> bool:
    return module == home or module.startswith(home + ".")


def place(source: Source, line: int, what: str) -> str:
    return f"{source.path.relative_to(ROOT)}:{line} {what}"


def test_all_three_packages_have_source_files():
    assert all(len(sources(package)) > 1 for package in FOLDERS)


def test_every_room_of_the_library_has_a_place_in_the_order():
    rooms = {source.room for source in sources("kansym")} - {""}
    assert rooms <= set(RANK), f"give these a place in ORDER and in docs/design.md: {sorted(rooms - set(RANK))}"


def test_a_room_never_imports_one_to_its_right():
    wrong = [
        place(source, line, target)
        for source in sources("kansym")
        if source.room
        for line, target in imports(source)
        if within(target, "kansym") and RANK.get((target.split(".") + [""])[1], -1) > RANK.get(source.room, 0)
    ]
    assert not wrong, "\n".join(wrong)


def test_the_library_knows_neither_the_command_line_nor_the_data_sets():
    wrong = [
        place(source, line, target)
        for source in sources("kansym")
        for line, target in imports(source)
        if within(target, "kansym_cli") or within(target, "kansym_datasets")
    ]
    assert not wrong, "\n".join(wrong)


def test_the_data_sets_know_only_the_data_room_and_the_errors():
    allowed = ("kansym.data", "kansym.errors")
    wrong = [
        place(source, line, target)
        for source in sources("kansym_datasets")
        for line, target in imports(source)
        if target.split(".")[0] in {"kansym", "kansym_cli"} and not any(within(target, home) for home in allowed)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("library", HOMES)
def test_a_third_party_library_stays_in_its_home(library: str):
    wrong = [
        place(source, line, target)
        for source in everything()
        if not any(within(source.module, home) for home in HOMES[library])
        for line, target in imports(source)
        if within(target, library)
    ]
    assert not wrong, "\n".join(wrong)


def _loading_imports(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yield the statements that run when the module is loaded: not in functions, not under TYPE_CHECKING."""
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.Try):
            yield from (inner for inner in node.body if isinstance(inner, ast.Import | ast.ImportFrom))


def _known_module(target: str, known: set[str]) -> str | None:
    """Return the module behind `kansym.data.Dataset`: the longest prefix that is a file."""
    parts = target.split(".")
    prefixes = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((prefix for prefix in prefixes if prefix in known), None)


def test_no_modules_import_each_other_in_a_circle():
    known = {source.module for source in everything()}
    edges = [
        (source.module, _known_module(target, known))
        for source in everything()
        for node in _loading_imports(source.tree)
        for target in _targets(node, source.package)
    ]
    # `from . import sibling` names the package too; only a file that waits for another file counts.
    graph = nx.DiGraph((importer, imported) for importer, imported in edges if imported not in (None, importer))
    circles = [sorted(group) for group in nx.strongly_connected_components(graph) if len(group) > 1]
    assert not circles, circles


def _is_danger(node: ast.AST) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id in FORBIDDEN_CALLS
    if isinstance(node, ast.Call) and ast.unparse(node.func) in {
        "torch.load",
        "torch.save",
        "builtins.eval",
        "builtins.exec",
    }:
        return True
    if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
        return not (isinstance(node.value, ast.Constant) and node.value.value is False)
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else None
    return name in FORBIDDEN_NAMES


def test_no_text_is_ever_run_as_code_and_nothing_is_pickled():
    wrong = [
        place(source, node.lineno, ast.unparse(node))  # type: ignore[attr-defined]
        for source in everything()
        for node in ast.walk(source.tree)
        if _is_danger(node)
    ]
    wrong += [
        place(source, line, target)
        for source in everything()
        for line, target in imports(source)
        if target.split(".")[0] in FORBIDDEN_MODULES or target.split(".")[-1] in FORBIDDEN_NAMES
    ]
    assert not wrong, "\n".join(wrong)


def test_nothing_opens_a_network_connection():
    wrong = [
        place(source, line, target)
        for source in everything()
        for line, target in imports(source)
        if any(within(target, module) for module in NETWORK_MODULES)
    ]
    assert not wrong, "\n".join(wrong)


def test_no_error_is_caught_without_a_name():
    wrong = [
        place(source, node.lineno, "bare except")
        for source in everything()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    assert not wrong, "\n".join(wrong)


def test_the_library_and_the_data_sets_print_nothing():
    wrong = [
        place(source, node.lineno, "print")
        for package in ("kansym", "kansym_datasets")
        for source in sources(package)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not wrong, "\n".join(wrong)


# The checks above must be able to fail: each rule against a line that breaks it.


@pytest.mark.parametrize(
    "line",
    [
        "eval(text)",
        "exec(text)",
        "sympy.sympify(text)",
        "parse_expr(text)",
        "np.load(path, allow_pickle=True)",
        "torch.load(path)",
    ],
)
def test_the_danger_rule_catches(line: str):
    assert any(_is_danger(node) for node in ast.walk(ast.parse(line)))


@pytest.mark.parametrize(
    "line", ["model.eval()", "re.compile(text)", "np.load(path, allow_pickle=False)", "evaluate(x)"]
)
def test_the_danger_rule_lets_pass(line: str):
    assert not any(_is_danger(node) for node in ast.walk(ast.parse(line)))


@pytest.mark.parametrize(
    ("statement", "target"),
    [
        ("import kansym.nn.layer", "kansym.nn.layer"),
        ("from kansym import pipeline", "kansym.pipeline"),
        ("from .base import Basis", "kansym.bases.base.Basis"),
        ("from ..errors import DataError", "kansym.errors.DataError"),
        ("from . import bspline", "kansym.bases.bspline"),
    ],
)
def test_imports_are_read_as_dotted_names(statement: str, target: str):
    source = Source("kansym.bases.linear", ROOT / "kansym/bases/linear.py", ast.parse(statement))
    assert [name for _, name in imports(source)] == [target]


def test_only_the_standard_library_and_declared_packages_are_imported():
    declared = {
        *HOMES,
        *FOLDERS,
        "torch",
        "numpy",
        "scipy",
        "sympy",
        "networkx",
        "pyarrow",
        "h5py",
        "openpyxl",
        "triton",
    }
    wrong = [
        place(source, line, target)
        for source in everything()
        for line, target in imports(source)
        if target.split(".")[0] not in declared | sys.stdlib_module_names
    ]
    assert not wrong, "\n".join(wrong)
