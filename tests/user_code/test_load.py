"""From code as text to a module of torch: what is found, what is refused, and what the process looks like behind it."""

from __future__ import annotations

import os
import random
import sys
import textwrap
import warnings
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn

from convcheck.errors import ConvcheckError
from convcheck.layers.user_code import parse_user_code
from convcheck.user_code.imports import user_code_runs
from convcheck.user_code.load import load

NET = """
from torch import nn

class Net(nn.Linear):
    def __init__(self, size=3, *, out=2):
        super().__init__(size, out)

class Outer:
    class Inner(nn.Linear):
        def __init__(self):
            super().__init__(4, 4)

def make(size, axes=(1,), options=None):
    net = Net(size)
    net.axes, net.options = axes, options
    return net

built = Net(5)
number = 3
_hidden = Net
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str, text: str) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def made(text: str) -> nn.Module:
    code = parse_user_code(text)
    assert code is not None
    return load(code)


def refusal(text: str) -> str:
    with pytest.raises(ConvcheckError) as caught:
        made(text)
    return str(caught.value)


WORKS = {
    "net.py:Net": 3,
    "net.py:Net()": 3,
    "net.py:Net(7, out=1)": 7,
    "net.py:Outer.Inner()": 4,
    "net.py:make(6, axes=(2, -1), options={'a': [None]})": 6,
    "net.py:built": 5,
    "net:Net": 3,
    "package.net:Net(size=8)": 8,
    "package:Net": 3,
    "torch.nn:Linear(9, 1)": 9,
}


@pytest.mark.parametrize(("text", "size"), WORKS.items(), ids=WORKS)
def test_what_is_named_is_loaded(text: str, size: int) -> None:
    write("net.py", NET)
    write("package/net.py", NET)
    write("package/__init__.py", "from .net import Net")
    module = made(text)
    assert isinstance(module, nn.Linear)
    assert module.in_features == size


REFUSALS = {
    "nett.py:Net": "there is no file nett.py; did you mean 'net'?",
    "folder.py:Net": "folder.py is a folder; name a file in it",
    "net.py:Nett()": "Nett is not there; did you mean 'Net'?",
    "net.py:Outer.Iner()": "Iner is not there; did you mean 'Inner'?",
    "net.py:make": "net.py:make: make is a function, which is called where parentheses say so; write net.py:make()",
    "net.py:built(3)": "built is a module already; write it without parentheses",
    "net.py:number": "number is of type int, and no class, function or torch.nn.Module",
    "net.py:Outer()": "net.py:Outer() is of type Outer, and no torch.nn.Module",
    "net.py:Net(3, 2)": "too many positional arguments; net.py:5: it is Net(size=3, *, out=2)",
    "net.py:make()": "missing a required argument: 'size'; net.py:13: it is make(size, axes=(1,), options=None)",
    "net.py:Net('x')": "net.py:6: TypeError: ",
    "nets:Net": "there is no module nets here or installed; did you mean 'net'?",
    "package.nett:Net": "there is no module package.nett in package; did you mean 'net'?",
    "package/net.py:Net": "write its dotted name, package.module:name, from the folder above the package",
    "broken.py:Net": "broken.py:2: SyntaxError: ",
    "raises.py:Net": "below.py:2: ValueError: no such size",
    "exits.py:Net": "exits.py:2: SystemExit: 3",
    "lacks.py:Net": "lacks.py:1: ModuleNotFoundError: No module named 'not_here_at_all'",
}


@pytest.mark.parametrize(("text", "message"), REFUSALS.items(), ids=REFUSALS)
def test_what_cannot_be_loaded_is_refused_with_its_line(text: str, message: str) -> None:
    write("net.py", NET)
    write("package/net.py", "from .other import Net")
    write("package/other.py", NET)
    write("package/__init__.py", "")
    Path("folder.py").mkdir()
    write("broken.py", "import torch\nclass Net(:\n")
    write("below.py", "def check():\n    raise ValueError('no such size')\n")
    write("raises.py", "import below\nbelow.check()\n")
    write("exits.py", "import sys\nsys.exit(3)\n")
    write("lacks.py", "import not_here_at_all\n")
    assert message in refusal(text)


def test_an_interrupt_passes_through() -> None:
    write("slow.py", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        made("slow.py:Net")


TWIN = """
from torch import nn
from helper import SIZE

class Net(nn.Linear):
    def __init__(self):
        super().__init__(SIZE, 1)

    def forward(self, x):
        from late import FACTOR
        return super().forward(x) * 0 + FACTOR
"""


def test_folders_have_modules_of_one_name_even_where_they_are_imported_late() -> None:
    for folder, size in (("old", 3), ("new", 4)):
        write(f"{folder}/model.py", TWIN)
        write(f"{folder}/helper.py", f"SIZE = {size}")
        write(f"{folder}/late.py", f"FACTOR = {size}")
    codes = [parse_user_code(f"{folder}/model.py:Net()") for folder in ("old", "new")]
    for _ in range(2):
        for code, size in zip(codes, (3, 4), strict=True):
            assert code is not None
            net = load(code)
            with user_code_runs(code):
                assert net(torch.ones(size)).item() == size


def test_a_folder_goes_before_the_current_one_in_whatever_order_they_are_imported() -> None:
    write("model.py", TWIN)
    write("helper.py", "SIZE = 7")
    write("old/model.py", TWIN)
    write("old/helper.py", "SIZE = 5")
    sizes = [made(text).in_features for text in ("model.py:Net", "old/model.py:Net", "model:Net", "old/model.py:Net")]
    assert sizes == [7, 5, 7, 5]


def test_both_sides_of_a_folder_share_its_modules() -> None:
    write("common.py", "class Base: pass\nimported = []")
    for name in ("old", "new"):
        write(f"{name}.py", f"import common\ncommon.imported.append(1)\n{NET}\nclass Side(Net, common.Base): pass")
    old, new = made("old.py:Side"), made("new.py:Side")
    assert type(old).__mro__[-2:] == type(new).__mro__[-2:]
    assert {base.__name__ for base in type(old).__mro__} == {base.__name__ for base in type(new).__mro__}
    assert set(type(old).__mro__) & set(type(new).__mro__) >= {
        base for base in type(new).__mro__ if base.__name__ == "Base"
    }


def test_a_module_of_the_callers_own_stays_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    write("elsewhere/helper.py", "SIZE = 1")
    write("model.py", TWIN)
    write("helper.py", "SIZE = 2")
    monkeypatch.syspath_prepend("elsewhere")
    import helper

    assert made("model.py:Net").in_features == 2
    assert sys.modules["helper"] is helper
    monkeypatch.delitem(sys.modules, "helper")


def test_a_file_that_changed_is_imported_anew() -> None:
    write("net.py", NET)
    write("model.py", "from net import Net")
    assert made("model.py:Net").in_features == 3
    write("net.py", NET.replace("size=3", "size=11"))
    assert made("model.py:Net").in_features == 11


def test_a_module_that_imports_others_when_it_is_looked_at_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lazy(ModuleType):
        def __getattr__(self, name: str) -> object:
            asked.append(name)
            raise AttributeError(name)

    asked: list[str] = []
    monkeypatch.setitem(sys.modules, "lazy_module", Lazy("lazy_module"))
    write("net.py", NET)
    assert made("net.py:Net").in_features == 3
    assert asked == []


CHANGES = """
import os, random, sys, warnings
import numpy, torch
print("printed")
torch.set_default_dtype(torch.float64)
torch.set_default_device("meta")
torch.set_grad_enabled(False)
torch.manual_seed(1); random.seed(1); numpy.random.seed(1)
torch.set_float32_matmul_precision("medium")
torch.use_deterministic_algorithms(True)
torch.set_num_threads(1 + torch.get_num_threads())
warnings.simplefilter("ignore")
sys.path.insert(0, "elsewhere"); sys.argv.append("--mine")
os.chdir("/")
net = torch.nn.Linear(2, 2)
if sys.argv[:1] != ["changes.py"]: raise ValueError(sys.argv)
"""


def state() -> list[object]:
    return [
        torch.get_default_dtype(),
        torch.empty(()).device,
        torch.is_grad_enabled(),
        torch.get_rng_state().tolist(),
        random.getstate(),
        np.random.get_state()[1].tolist(),
        torch.get_float32_matmul_precision(),
        torch.are_deterministic_algorithms_enabled(),
        torch.get_num_threads(),
        list(warnings.filters),
        list(sys.path),
        list(sys.argv),
        str(Path.cwd()),
        sys.stdout,
        {name for name in sys.modules if name.startswith("changes")},
    ]


def test_what_an_import_changes_is_as_before_and_prints_go_to_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write("changes.py", CHANGES)
    before = state()
    made("changes.py:net")
    assert state() == before
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "printed\n")
    # The same holds behind an error.
    write("changes.py", CHANGES + "\nraise ValueError")
    assert refusal("changes.py:net").endswith(": changes.py:18: ValueError")
    assert state() == before


def test_what_a_forward_prints_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    write(
        "loud.py",
        "from torch import nn\nclass Net(nn.Identity):\n    def forward(self, x):\n        print('here')\n",
    )
    code = parse_user_code("loud.py:Net")
    assert code is not None
    net = load(code)
    with user_code_runs(code):
        net(torch.ones(2))
    assert capsys.readouterr() == ("", "here\n")


def test_weights_are_the_same_in_every_run_and_others_for_other_code() -> None:
    write("net.py", NET)
    write("copy.py", NET)
    first, again, other = (made(text).weight for text in ("net.py:Net", "net.py:Net", "copy.py:Net"))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_weights_of_a_config_are_the_same_from_whatever_folder_it_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("sub/net.py", NET).resolve()
    code = parse_user_code("net.py:make(3)")
    assert code is not None
    weights = []
    for here, folder in ((path.parent, "."), (path.parents[1], "sub"), (path.parent, f"../{path.parent.name}")):
        monkeypatch.chdir(here)
        weights.append(load(code.within(Path(folder))).weight)
    weights.append(load(code.within(path.parent)).weight)
    assert all(torch.equal(weights[0], weight) for weight in weights[1:])


@pytest.mark.parametrize("name", ["random", "my-net", "net.v2", "torch", "mein netz"])
def test_a_file_may_be_called_as_a_library_or_as_no_module_could_be(name: str) -> None:
    write(f"{name}.py", NET)
    assert made(f"{name}.py:Net").in_features == 3
    assert random.__file__ == os.path.abspath(random.__file__)  # noqa: PTH100
    assert sys.modules["random"] is random
    assert sys.modules["torch"] is torch
