"""Which YAML of a folder is another program's: never a config, however faulty it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from convcheck.config import foreign
from convcheck.config.foreign import has_cases, is_foreign

OTHERS = {
    "docker-compose": "services:\n  web: {image: nginx}\n",
    "a workflow of GitHub": "on: push\ndefaults: {run: {shell: bash}}\njobs: {a: {steps: []}}\n",
    "Hydra": "defaults:\n  - model: resnet\nlr: 0.1\nmodel: {layer: 3, cases: 4}\n",
    "Kubernetes, in two documents": "kind: A\n---\nkind: B\n",
    "kustomize": "bases: [a]\n",
    "hooks of pre-commit": "- id: a\n  name: b\n",
    "names": "- cat\n- dog\n",
    "a sentence": "hello\n",
    "a template of Helm": "{{- if .Values.x }}\nkind: A\n{{- end }}\n",
    "a tag of its own": "Resources: !Sub {a: !Ref b}\n",
    "keys that are no words": "? [cases, b]\n: 1\n1: 2\n",
}
OURS = {
    "a config": "cases: []\n",
    "with a letter too few": "case: [{layer: ReLU()}]\n",
    "with a letter too many": "casess: []\n",
    "in capitals": "CASES: []\n",
    "behind other keys": "x: {cases: 1}\ncases: []\n",
    "as JSON": '{"cases": []}\n',
    "in a second document": "a: 1\n---\ncases: []\n",
    "a list of cases": "- name: a\n  layer: ReLU()\n",
    "one case": "layer: ReLU()\n",
}
UNCERTAIN = {
    "empty": "",
    "comments": "# cases\n\n# more\n",
    "broken off": "defaults: {dtype: float32\ncases:\n  - layer: ReLU()\n",
    "a control character": "cases: \x07\n",
}


@pytest.fixture(params=["C", "Python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read with libyaml, and with the parser that stands in for it where it is missing."""
    if request.param == "Python":
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("text", OTHERS.values(), ids=OTHERS.keys())
def test_is_another_programs(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(text)
    assert is_foreign(tmp_path / "a.yaml")
    assert not has_cases(tmp_path / "a.yaml")


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("text", OURS.values(), ids=OURS.keys())
def test_is_a_config_or_was_meant_as_one(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(text)
    assert not is_foreign(tmp_path / "a.yaml")
    assert has_cases(tmp_path / "a.yaml")


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("text", UNCERTAIN.values(), ids=UNCERTAIN.keys())
def test_what_may_be_a_config_is_not_passed_over(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(text)
    assert not is_foreign(tmp_path / "a.yaml")
    assert not has_cases(tmp_path / "a.yaml")


def test_what_cannot_be_read_is_left_to_be_reported(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "a.yaml", tmp_path / "none.yaml", tmp_path):
        assert not is_foreign(path)
        assert has_cases(path)


def test_aliases_are_not_written_out(tmp_path: Path) -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    (tmp_path / "a.yaml").write_text(bomb)
    assert len(list(foreign._top_keys(bomb))) == 9
    assert is_foreign(tmp_path / "a.yaml")
