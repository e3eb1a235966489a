"""Packs the Python files that a function needs of its app, to go with it to another machine."""

from __future__ import annotations

import hashlib
import io
import os
import sys
import zipfile
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

from oceanid import conf
from oceanid.errors import InvalidSpecification

MOST_BYTES = 16 * 1024 * 1024
_EPOCH = (2000, 1, 1, 0, 0, 0)


def package_of(function: str) -> Path | None:
    """A zip of the app's package that a function stands in: what another machine's Python
    imports it from.

    All ``.py`` files of the first regular package on the way to the function go along (for
    ``tethysapp.floods.runs.simulate`` those of ``tethysapp.floods``), or the one module. What
    comes with Python, and packages with compiled parts, must be there already.

    Args:
        function: Its dotted path.

    Returns:
        The zip, kept under the data directory by its content; None when nothing needs to go.

    Raises:
        InvalidSpecification: The package is too large.
    """
    files = dict(_files(function.rpartition(".")[0]))
    if not files:
        return None
    packed = io.BytesIO()
    size = 0
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in sorted(files.items()):
            content = path.read_bytes()
            size += len(content)
            if size > MOST_BYTES:
                raise InvalidSpecification(
                    "The package of “{function}” has more than {most_bytes} MiB of Python.",
                    hint="Move the function to a smaller package of the app.",
                    function=function,
                    most_bytes=MOST_BYTES >> 20,
                )
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content)
    return _kept(packed.getvalue(), function.partition(".")[0])


def _files(module: str) -> Iterator[tuple[str, Path]]:
    parts = module.split(".")
    for length in range(1, len(parts) + 1):
        name = ".".join(parts[:length])
        spec = find_spec(name)
        if spec is None or parts[0] in sys.stdlib_module_names:
            return
        if spec.origin and spec.origin.endswith(".py"):
            yield from _files_of(name.replace(".", "/"), spec)
            return
        if spec.origin:  # compiled, or built in
            return


def _files_of(name: str, spec: ModuleSpec) -> Iterator[tuple[str, Path]]:
    assert spec.origin is not None
    origin = Path(spec.origin)
    if spec.submodule_search_locations is None:
        yield f"{name}.py", origin
        return
    found = []
    for folder, below, files in os.walk(origin.parent):
        below[:] = [each for each in below if each.isidentifier() and each != "__pycache__"]
        if any(each.endswith((".so", ".pyd")) for each in files):
            return
        found += [Path(folder, each) for each in files if each.endswith(".py")]
    for path in found:
        yield f"{name}/{path.relative_to(origin.parent).as_posix()}", path


def _kept(content: bytes, name: str) -> Path:
    folder = conf.data_dir() / "packages"
    path = folder / f"{name}-{hashlib.sha256(content).hexdigest()[:16]}.zip"
    if not path.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}.part")
        draft.write_bytes(content)
        draft.replace(path)
    return path
