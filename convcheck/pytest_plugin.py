"""The pytest plugin: every claim of a config is a test.

pytest imports this in every project where convcheck is installed, so all that is not pytest's is imported when a config
was found.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from convcheck.config.collection import without_collection
from convcheck.config.config_files import ENDINGS, configs_in

if TYPE_CHECKING:
    from convcheck.catalogue.claims import Claim
    from convcheck.results import Result


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--convcheck`, and the setting `convcheck_trust`."""
    parser.addini(
        "convcheck_trust",
        "Import and run the user's own Python where a config of convcheck names it as a side.",
        type="bool",
        default=False,
    )
    parser.getgroup("convcheck").addoption(
        "--convcheck",
        action="append",
        default=[],
        metavar="DIR",
        help="Take every .yaml and .yml file of this folder for a config of convcheck, unless its keys show that it is "
        "none, or this one file; may be repeated. Files named convcheck*.yaml are taken everywhere.",
    )


_ASKED = pytest.StashKey[tuple[Path, ...]]()
_FOREIGN = pytest.StashKey[frozenset[Path]]()


def pytest_configure(config: pytest.Config) -> None:
    """Find what `--convcheck` names, and have it collected.

    Raises:
        pytest.UsageError: it is not there, or holds no config.
    """
    here = config.invocation_params.dir
    config.stash[_ASKED] = asked = tuple(Path(os.path.normpath(here / word)) for word in config.getoption("convcheck"))
    foreign = frozenset(file for path in asked if path.is_dir() for file in _foreign_in(path))
    config.stash[_FOREIGN] = foreign
    for path in asked:
        if not path.exists():
            raise pytest.UsageError(f"--convcheck {path}: there is no such file or folder")
        if path.is_dir() and foreign.issuperset(configs_in(path)):
            raise pytest.UsageError(f"--convcheck {path}: this folder holds no config; one ends in .yaml or .yml")
    if not asked:
        return
    # An option of the project's own settings must not add anything to `pytest tests/test_one.py`.
    words = [str(word) for word in config.invocation_params.args]
    typed = any(word.partition("=")[0] == "--convcheck" for word in words)
    if typed or config.args_source is not pytest.Config.ArgsSource.ARGS:
        there = [Path(os.path.normpath(here / word.partition("::")[0])) for word in config.args]
        # What names a part of the folder narrows it; what names more holds it already.
        new = [path for path in asked if not any(path.is_relative_to(p) or p.is_relative_to(path) for p in there)]
        config.args += map(str, dict.fromkeys(new))


def _foreign_in(folder: Path) -> list[Path]:
    from convcheck.config.foreign import is_foreign

    return [file for file in configs_in(folder) if is_foreign(file)]


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Return which YAML is passed over, since it is another program's."""
    foreign = config.stash[_FOREIGN]
    files = ", ".join(sorted(map(str, foreign)))
    return [f"convcheck: passed over, since there is no key 'cases': {files}"] if foreign else []


@pytest.hookimpl(tryfirst=True)
def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Let pytest enter the way to what was asked for, even through a folder that it passes by, as a hidden one."""
    return False if any(path.is_relative_to(collection_path) for path in config.stash[_ASKED]) else None


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.File | None:
    """Collect a config: by its name, or because it was asked for."""
    is_yaml, asked = file_path.suffix in ENDINGS, parent.config.stash[_ASKED]
    named = (is_yaml and file_path.name.startswith("convcheck")) or file_path in asked
    below = is_yaml and file_path not in parent.config.stash[_FOREIGN]
    if named or (below and any(file_path.is_relative_to(path) for path in asked)):
        return ConfigFile.from_parent(parent, path=file_path)
    return None


_WAY = "with convcheck_trust = true in pytest's settings"


class ConfigFile(pytest.File):
    """A config of convcheck."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield the claims of all cases, in order.

        Raises:
            pytest.Collector.CollectError: with every fault of the file.
        """
        from convcheck.all_sizes.installed import check_installed
        from convcheck.catalogue.catalogue import vocabulary
        from convcheck.catalogue.claims import claims_of
        from convcheck.checkpoints.held import with_checkpoints
        from convcheck.config.load import load
        from convcheck.errors import ConvcheckError
        from convcheck.report.format_values import escape_controls
        from convcheck.sides.user_sides import code_loader, map_loader

        here = self.config.invocation_params.dir
        # Commands are to be copied from where pytest was started.
        shown = self.path.relative_to(here) if self.path.is_relative_to(here) else self.path
        trust = self.config.getini("convcheck_trust")
        load_code, load_map = code_loader(trust=trust, way=_WAY), map_loader(trust=trust, way=_WAY)
        words = replace(vocabulary(), load_code=load_code, load_map=load_map, load_weights=with_checkpoints)
        try:
            for claim in claims_of(load(self.path, str(shown), words)):
                if claim.case.all_sizes:
                    check_installed()
                # Two colons part the names of an id.
                name = escape_controls(claim.id).replace("::", ":")
                # Left alone, pytest 9.2 takes the brackets for a part of the name, and --lf then never finds it again.
                yield ClaimItem.from_parent(self, name=name, nodeid=f"{self.nodeid}::{name}", claim=claim)
        except ConvcheckError as error:
            raise self.CollectError(escape_controls(str(error))) from None


class _NotAsExpectedError(Exception):
    def __init__(self, result: Result) -> None:
        self.result = result
        super().__init__(result.reason)


class ClaimItem(pytest.Item):
    """A case with one rewrite."""

    def __init__(self, *, claim: Claim, **given: object) -> None:
        super().__init__(**given)  # type: ignore[arg-type]  # pytest's own, handed on
        self.claim = claim

    def runtest(self) -> None:
        """Pass if the verdict is as expected, whichever that is."""
        import warnings

        with warnings.catch_warnings():
            # pytest shows what torch warns of; no filter of the project's may turn it into a verdict.
            warnings.simplefilter("default")
            # This imports torch, when the first claim is tried.
            is_first = "torch" not in sys.modules
            with without_collection():
                from convcheck.proof.verification import verify
                from convcheck.report.sizes_words import in_few_words
                from convcheck.solving.search import with_map
            if is_first:
                # What is imported is no garbage. Pytest and Python search it for some when they end, for a second.
                gc.freeze()

            result = verify(with_map(self.claim))
        properties = {
            "verdict": result.verdict.value,
            "sizes": in_few_words(result.sizes),
            "ratio": result.error.ratio,
            "notes": "; ".join(map(str, result.notes)),
        }
        self.user_properties += [(key, value) for key, value in properties.items() if value not in (None, "")]
        if not result.ok:
            raise _NotAsExpectedError(result)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> object:  # type: ignore[override]
        """Return what convcheck says; a traceback only where convcheck itself is at fault."""
        if isinstance(excinfo.value, _NotAsExpectedError):
            return _failure_text(excinfo.value.result, verbose=self.config.get_verbosity() > 0)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return file, line from 0 and name."""
        line = (self.claim.case.source or "").rpartition(":")[2]
        return self.path, int(line) - 1 if line.isdecimal() else None, self.name


def _failure_text(result: Result, *, verbose: bool) -> str:
    """Return the cause, then what else `convcheck verify` prints of a result, and last the place to change."""
    from convcheck.report.result_rows import evidence, place, remarks

    cause, *others = remarks(result)
    if verbose:
        others = [f"{subject:<10}  {text}" for subject, text in evidence(result)]
    # The first line stands in pytest's short summary, and the last is one that editors make a link of.
    return "\n".join(
        [f"{result.verdict}: {cause}", *(f"  {line}" for line in others), f"{place(result)}: {result.verdict}"]
    )
