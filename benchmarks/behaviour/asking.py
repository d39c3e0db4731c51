"""Questions to `python -m convcheck` of a checkout, and its answers, kept in a file."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

LONGEST = 900
"""Seconds after which there is no answer."""
INHERITED = ("PATH", "HOME", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR", "TEMP", "TMP")
CHANGING = (
    (re.compile(r"\b\d+\.\d s\b"), "? s"),  # how long it took
    (re.compile(r'(\btime=")\d[\d.e-]*"'), r'\1?"'),  # the same in JUnit's words
    (re.compile(r'(\btimestamp=")[^"]*"'), r'\1?"'),
    (re.compile(r"(Traceback \(most recent call last\):\n)(?: .*\n)+"), r"\1"),  # where it stands in the code
)
"""What differs from one run to the next, or by where the code lies, and what is kept of it."""


@dataclass(frozen=True)
class Question:
    """The words of one command line, the files of the folder it is asked in, and what it reads."""

    section: str
    words: Sequence[str]
    files: Mapping[str, str] = field(default_factory=dict)
    stdin: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """The exit code, None where there was no end; what was printed; and the files that were written, by name."""

    code: int | None
    stdout: str
    stderr: str
    written: Mapping[str, str] = field(default_factory=dict)


def ask(checkout: Path, question: Question) -> Answer:
    """Ask one checkout, in a folder of its own."""
    with tempfile.TemporaryDirectory() as top:
        folder, cache = Path(top, "here"), Path(top, "cache")
        folder.mkdir()
        for name, text in question.files.items():
            (folder / name).write_text(text, encoding="utf-8")
        environment = {
            **{name: os.environ[name] for name in INHERITED if name in os.environ},
            "PYTHONPATH": str(checkout),
            "PYTHONUTF8": "1",
            "OMP_NUM_THREADS": "1",
            "CONVCHECK_CACHE_DIR": str(cache),
            **question.environment,
        }
        words = [sys.executable, "-m", "convcheck", *question.words]
        code, texts = _run(words, folder, environment, question.stdin)
        written = {path.name: path.read_text("utf-8", "replace") for path in sorted(folder.iterdir()) if path.is_file()}
        new = {name: text for name, text in written.items() if question.files.get(name) != text}

        def kept(text: str) -> str:
            for place, sign in (
                (str(Path(top).resolve()), "<folder>"),
                (top, "<folder>"),
                (str(checkout), "<checkout>"),
            ):
                text = text.replace(place, sign)
            for pattern, sign in CHANGING:
                text = pattern.sub(sign, text)
            return text

        return Answer(code, kept(texts[0]), kept(texts[1]), {name: kept(text) for name, text in new.items()})


def _run(
    words: Sequence[str], folder: Path, environment: Mapping[str, str], stdin: str
) -> tuple[int | None, list[str]]:
    try:
        done = subprocess.run(
            words, cwd=folder, env=environment, input=stdin.encode(), capture_output=True, timeout=LONGEST, check=False
        )
    except subprocess.TimeoutExpired:
        return None, ["", ""]
    return done.returncode, [each.decode("utf-8", "replace") for each in (done.stdout, done.stderr)]


def ask_all(checkout: Path, questions: Sequence[Question], jobs: int) -> Iterator[Answer]:
    """Yield the answers in the order of the questions, `jobs` of which are asked at once."""
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(lambda each: ask(checkout, each), questions)


def check(checkout: Path) -> Path:
    """Return the folder's whole path.

    Raises:
        SystemExit: what it would run lies elsewhere.
    """
    path = checkout.resolve()
    words = [sys.executable, "-c", "import importlib.util as u; print(u.find_spec('convcheck').origin)"]
    environment = {**os.environ, "PYTHONPATH": str(path)}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if not done.stdout or path not in Path(done.stdout.strip()).resolve().parents:
        sys.exit(f"error: {checkout} is no checkout of convcheck: what is found is {done.stdout.strip() or 'nothing'}")
    return path


def save(file: Path, recorded: Sequence[tuple[Question, Answer]]) -> None:
    """Write questions and answers to a file."""
    lines = (json.dumps({**asdict(question), "answer": asdict(answer)}) for question, answer in recorded)
    file.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


def load(file: Path) -> list[tuple[Question, Answer]]:
    """Read questions and answers that were saved."""
    recorded = json.loads(file.read_text(encoding="utf-8"))
    return [
        (Question(**{k: v for k, v in each.items() if k != "answer"}), Answer(**each["answer"])) for each in recorded
    ]
