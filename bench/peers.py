"""Peers live in virtual environments of their own under `.peers/`, made by the bench that needs one.

A learning library's environment sees the packages of ours (same torch, same transformers: the same kernels) and adds
its own; an application's stands alone.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent / ".peers"


def peer_python(name: str, requirements: list[str], alone: bool = False) -> Path:
    """The Python of the environment `name`, made the first time; the download takes a minute."""
    folder = ROOT / name
    python = folder / "bin" / "python"
    done = folder / "requirements.txt"
    if done.exists() and done.read_text().split("\n") == requirements:
        return python
    print(f"making {folder} with {', '.join(requirements)}", file=sys.stderr)
    venv.create(folder, with_pip=True, clear=True)
    if not alone:
        site = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
        (site / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n")
    subprocess.run([python, "-m", "pip", "install", "--quiet", *requirements], check=True)
    done.write_text("\n".join(requirements))
    return python
