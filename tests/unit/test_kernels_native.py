"""The loader of native code: it compiles once, keeps the result safely, and is silent where it cannot."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kansym.kernels import native

HAS_COMPILER = any(shutil.which(name) for name in native.COMPILERS)
needs_compiler = pytest.mark.skipif(not HAS_COMPILER, reason="there is no C compiler")
SOURCE = "int answer(void) { return ANSWER; }\n"


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with one small C file, and a cache of its own."""
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "small.c").write_text("#ifndef ANSWER\n#define ANSWER 42\n#endif\n" + SOURCE)
    monkeypatch.setattr(native, "SOURCES", folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv(native.SWITCH, raising=False)
    native._load.cache_clear()
    yield folder
    native._load.cache_clear()


@needs_compiler
def test_a_source_is_compiled_loaded_and_kept_in_a_private_folder(sources: Path) -> None:
    library = native.library("small")
    assert library is not None and library.answer() == 42
    kept = list(native.cache_folder().iterdir())
    assert len(kept) == 1 and str(kept[0]) in native.status("small")
    if hasattr(os, "getuid"):
        assert stat.S_IMODE(native.cache_folder().stat().st_mode) == 0o700


@needs_compiler
def test_definitions_make_libraries_of_their_own(sources: Path) -> None:
    answers = [native.library("small", (f"ANSWER={n}",)) for n in (1, 2)]
    assert [library and library.answer() for library in answers] == [1, 2]


@needs_compiler
def test_a_changed_source_or_header_is_compiled_again(sources: Path) -> None:
    assert native.library("small") is not None
    (sources / "small.c").write_text(SOURCE.replace("ANSWER", "43"))
    native._load.cache_clear()
    library = native.library("small")
    assert library is not None and library.answer() == 43
    (sources / "new.h").write_text("\n")
    native._load.cache_clear()
    native.library("small")
    assert len(list(native.cache_folder().iterdir())) == 3


@needs_compiler
def test_a_kept_library_is_not_compiled_again(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert native.library("small") is not None
    native._load.cache_clear()
    monkeypatch.setattr(native, "_compile", lambda *_: pytest.fail("it was compiled twice"))
    assert native.library("small") is not None


@needs_compiler
def test_two_compiling_at_once_do_not_disturb_each_other(sources: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        libraries = list(pool.map(native.library, ["small"] * 4))
    assert all(library is not None and library.answer() == 42 for library in libraries)
    assert len(list(native.cache_folder().iterdir())) == 1


def test_the_switch_turns_native_code_off(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(native.SWITCH, "0")
    assert native.library("small") is None
    assert native.SWITCH in native.status("small")


def test_without_a_compiler_there_is_no_library_and_no_exception(
    sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(sources))
    assert native.library("small") is None
    assert "no C compiler" in native.status("small")


@needs_compiler
def test_a_source_that_does_not_compile_gives_none_and_leaves_nothing(sources: Path) -> None:
    (sources / "small.c").write_text("this is not C\n")
    assert native.library("small") is None
    assert "small.c" in native.status("small")
    assert list(native.cache_folder().iterdir()) == []


def test_a_missing_source_gives_none(sources: Path) -> None:
    assert native.library("missing") is None


@needs_compiler
def test_a_cache_that_is_a_file_gives_none(sources: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    assert native.library("small") is None


@needs_compiler
@pytest.mark.skipif(not hasattr(os, "getuid"), reason="owners and modes are those of POSIX")
def test_a_folder_that_others_can_write_to_is_refused(sources: Path) -> None:
    folder = native.cache_folder()
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    assert native.library("small") is None
    assert "others" in native.status("small")


@needs_compiler
@pytest.mark.skipif(not hasattr(os, "getuid"), reason="owners and modes are those of POSIX")
def test_a_read_only_cache_gives_none(sources: Path) -> None:
    folder = native.cache_folder()
    folder.mkdir(parents=True, mode=0o700)
    folder.chmod(0o500)
    if os.access(folder, os.W_OK):
        pytest.skip("this user may write everywhere")
    assert native.library("small") is None


@needs_compiler
def test_a_compiler_named_in_cc_may_have_arguments(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = next(name for name in native.COMPILERS if shutil.which(name))
    monkeypatch.setenv("CC", f"{compiler} -DANSWER=7")
    library = native.library("small")
    assert library is not None and library.answer() == 7


@needs_compiler
def test_flags_that_a_compiler_does_not_know_are_given_up(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "PROCESSOR_FLAGS", (("-march=nonsense",), ()))
    assert native.library("small") is not None


def test_importing_the_kernels_compiles_nothing(tmp_path: Path) -> None:
    code = "import kansym.kernels.local, pathlib, sys; sys.exit(pathlib.Path(sys.argv[1], 'kansym').exists())"
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path), "LOCALAPPDATA": str(tmp_path)}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environment, check=True)
