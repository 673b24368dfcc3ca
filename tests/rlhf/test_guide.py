"""What `import rlhf` gives, and docs/guide.md, block after block as a reader would run it."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import rlhf
from rlhf.settings import Settings

GUIDE = (Path(__file__).parents[2] / "docs" / "guide.md").read_text(encoding="utf-8")
SOURCE = Path(rlhf.__file__).parent


def test_the_guide_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 8
    known: dict[str, Any] = {"__name__": "guide"}
    for block in blocks:
        exec(compile(block, "docs/guide.md", "exec"), known)
    assert "there is no file nowhere.jsonl" in capsys.readouterr().out


def test_every_name_is_there_and_documented() -> None:
    for name in rlhf.__all__:
        assert getattr(rlhf, name).__doc__, f"{name} says nothing of itself"
        assert name in dir(rlhf)
        assert not (SOURCE / f"{name}.py").exists(), f"rlhf.{name} would be a module as soon as that is imported"
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        rlhf.nothing  # noqa: B018


def test_type_checkers_see_the_same_names() -> None:
    assert (SOURCE / "py.typed").exists()
    typed = re.findall(r"^    from rlhf\.\w+ import \w+ as (\w+)$", (SOURCE / "__init__.py").read_text(), re.MULTILINE)
    assert sorted(typed) == rlhf.__all__


def test_the_package_and_its_settings_load_nothing_heavy() -> None:
    names = [name for name in rlhf.__all__ if name.endswith("Config")]
    code = f"import sys, rlhf; [getattr(rlhf, name) for name in {[*names, 'run', 'InputError']}]; "
    code += "sys.exit(sum(name in sys.modules for name in ('torch', 'transformers', 'peft')))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_settings_of_nothing_are_refused() -> None:
    with pytest.raises(rlhf.InputError, match="Settings is not the settings of any command: give one of SFTConfig"):
        rlhf.run(Settings())
