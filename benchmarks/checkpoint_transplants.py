"""What `convcheck transplant` leaves behind when it is ended, and in how much time and memory it moves a checkpoint.

    python benchmarks/checkpoint_transplants.py                  # kills, full disks, and a checkpoint of 5 GB
    python benchmarks/checkpoint_transplants.py --kills 20 --gigabytes 0.5

Kills: a process runs the command and gets SIGKILL after a random time, between its start and a little after its usual
end; the target is there before. The source has to be as it was, and the target the old file or the whole new one. Full
disks are small file systems in memory, mounted where that is allowed. The large checkpoint has an index and files of
1 GB of made-up numbers beside a patch embedding; `cp -r` and `sync` copy it for comparison, after a first copy that
warms the cache. Time and the most memory are held against those for the same embedding and little else, which are those
of loading torch and of the proof.
"""

from __future__ import annotations

import argparse
import filecmp
import json
import os
import random
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import save_file

LAYER = "Conv3d(3, 1280, kernel_size=(2, 14, 14), stride=(2, 14, 14), bias=False)"

WORDS = ("--layer", LAYER, "-r", "patchify-linear", "--at", "visual.patch_embed.proj")

SMALL = ("--layer", "Conv2d(3, 16, kernel_size=4, stride=4)", "-r", "patchify-linear", "--at", "stem")

BLOCK = 64 << 20
"""Bytes of one made-up tensor."""


def command(source: Path, target: Path, *words: str) -> list[str]:
    """Return the words of the command."""
    return [sys.executable, "-m", "convcheck", "transplant", str(source), str(target), *words, "--overwrite", "-q"]


def small(path: Path, blocks: int = 2) -> Path:
    """Write one file with a small layer and some tensors of 16 MiB."""
    others = {f"block.{number}": torch.randn(1 << 22) for number in range(blocks)}
    # With these, the header of two blocks begins a page of its own.
    others["rest"] = torch.randn(200)
    save_file({"stem.weight": torch.randn(16, 3, 4, 4), "stem.bias": torch.randn(16), **others}, path)
    return path


def forked(words: list[str]) -> int:
    """Run the command in a fork of this process, which has torch already; return the child's number."""
    child = os.fork()
    if child:
        return child
    try:
        sys.argv = ["convcheck", *words]
        from convcheck.cli.main import main

        main()
    except SystemExit as stop:
        os._exit(int(stop.code or 0))
    finally:
        os._exit(3)


def kills(folder: Path, count: int, seed: int) -> Counter[str]:
    """Kill so many runs at random times, and count what the target was then; any other outcome is an error."""
    # A fork has what was imported before.
    import convcheck.checkpoints.transplant
    import convcheck.cli.transplant  # noqa: F401

    draw = random.Random(seed)
    source, target, new = small(folder / "a.safetensors"), folder / "b.safetensors", folder / "new.safetensors"
    words = ["transplant", str(source), str(target), *SMALL, "--overwrite", "-q"]
    before = source.read_bytes()
    old = small(target, blocks=1).read_bytes()
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        assert os.waitpid(forked(words), 0)[1] == 0
        taken.append(time.perf_counter() - start)
    target.replace(new)
    whole = new.read_bytes()
    outcomes: Counter[str] = Counter()
    for _ in range(count):
        target.write_bytes(old)
        child = forked(words)
        time.sleep(draw.uniform(0, 1.1 * statistics.median(taken)))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found = target.read_bytes()
        outcome = "the old file" if found == old else "the new file" if found == whole else "NEITHER"
        outcomes[outcome if source.read_bytes() == before else "SOURCE CHANGED"] += 1
        parts = list(folder.glob(".*.part"))
        outcomes["with a .part beside it"] += bool(parts)
        for part in parts:
            part.unlink()
    return outcomes


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[bool]:
    """Mount a file system in memory; yield whether that is allowed."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)], capture_output=True)
    try:
        yield done.returncode == 0
    finally:
        if done.returncode == 0:
            subprocess.run(["umount", str(folder)], check=True)


def places(folder: Path) -> Iterator[tuple[str, bool, str]]:
    """Yield places that cannot be written, whether all was left as it was, and what the command said."""
    source = small(folder / "source.safetensors")
    before = source.read_bytes()
    pages = len(before) // 4096 * 4096
    for name, options in {
        "a disk with too little room": ("size=8m",),
        "a disk that is full a page too soon": (f"size={pages}",),
        "a read-only disk": ("size=64m", "ro"),
    }.items():
        disk = folder / name.replace(" ", "-")
        with mounted(disk, *options) as allowed:
            if not allowed:
                yield name, True, "not mounted here"
                continue
            done = subprocess.run(command(source, disk / "b.safetensors", *SMALL), capture_output=True, text=True)
            intact = source.read_bytes() == before and not list(disk.iterdir()) and done.returncode == 2
            yield name, intact, done.stderr.strip()
    link = folder / "link.safetensors"
    link.symlink_to(source)
    done = subprocess.run(command(source, link, *SMALL), capture_output=True, text=True)
    yield "a link", link.is_symlink() and source.read_bytes() == before and done.returncode == 2, done.stderr.strip()


def large(folder: Path, gigabytes: float) -> int:
    """Write a checkpoint with an index, in files of 1 GB; return its bytes."""
    folder.mkdir()
    homes: dict[str, str] = {}
    total = 0
    count = max(1, round(gigabytes))
    for number in range(count):
        name = f"model-{number + 1:05}-of-{count:05}.safetensors"
        tensors = {
            f"layers.{number}.{block}.weight": torch.randn(BLOCK // 4).reshape(4096, -1)
            for block in range(round(gigabytes * 1e9 / count / BLOCK))
        }
        if not number:
            tensors["visual.patch_embed.proj.weight"] = torch.randn(1280, 3, 2, 14, 14)
        save_file(tensors, folder / name, metadata={"format": "pt"})
        homes |= dict.fromkeys(tensors, name)
        total += sum(tensor.nbytes for tensor in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": homes}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))
    return total


def timed(words: list[str]) -> float:
    """Return the seconds of a command."""
    start = time.perf_counter()
    subprocess.run(words, check=True)
    return time.perf_counter() - start


def most_memory(words: list[str]) -> tuple[float, int]:
    """Return the seconds of a command and the most memory that it held, in bytes."""
    script = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", script, *words], check=True, capture_output=True, text=True)
    return time.perf_counter() - start, int(done.stdout.split()[-1]) * (1 if sys.platform == "darwin" else 1024)


def rates(folder: Path, gigabytes: float) -> bool:
    """Print time and memory for a large checkpoint; return whether it came there and back whole."""
    source, there, back, copy = (folder / name for name in ("large", "there", "back", "copy"))
    total = large(source, gigabytes)
    large(folder / "little", BLOCK / 1e9)
    timed(["cp", "-r", str(source), str(copy)])
    shutil.rmtree(copy)
    copied = timed(["sh", "-c", f"cp -r '{source}' '{copy}' && sync '{copy}'/*"])
    shutil.rmtree(copy)
    fixed, least = most_memory(command(folder / "little", folder / "little-there", *WORDS))
    moved, most = most_memory(command(source, there, *WORDS))
    print(f"{total / 1e9:.2f} GB in {len(list(source.glob('*.safetensors')))} files")
    print(f"cp and sync:  {copied:6.1f} s, {total / copied / 1e6:6.0f} MB/s")
    print(f"transplant:   {moved:6.1f} s, {total / moved / 1e6:6.0f} MB/s, {moved / copied:.2f} times as long")
    print(f"  without torch and the proof, {fixed:.1f} s: {total / (moved - fixed) / 1e6:.0f} MB/s")
    print(f"most memory:  {most / 1e6:6.0f} MB; {least / 1e6:.0f} MB where there is little else")
    subprocess.run([*command(there, back, *WORDS), "--inverse"], check=True)
    names = [path.name for path in source.iterdir()]
    same = filecmp.cmpfiles(source, back, [name for name in names if name.endswith(".safetensors")], shallow=False)
    print(f"there and back: {len(same[0])} files the same, {len(same[1]) + len(same[2])} not")
    return not same[1] and not same[2]


def main() -> int:
    """Print what was left and how long it took; return 1 if anything was not as it has to be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--gigabytes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", help="where it is written; four times the checkpoint has to fit")
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    torch.manual_seed(arguments.seed)
    good = True
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        if arguments.kills:
            (folder / "kills").mkdir()
            outcomes = kills(folder / "kills", arguments.kills, arguments.seed)
            print(f"{arguments.kills} kills: {dict(outcomes)}", flush=True)
            good = not outcomes["NEITHER"] and not outcomes["SOURCE CHANGED"]
        for place, intact, said in places(folder):
            print(f"{place}: {'all as it was' if intact else 'CHANGED'}; {said}", flush=True)
            good = good and intact
        if arguments.gigabytes:
            if shutil.disk_usage(folder).free < 4e9 * arguments.gigabytes:
                parser.error("there is too little room for four copies; give fewer --gigabytes")
            good = rates(folder, arguments.gigabytes) and good
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
