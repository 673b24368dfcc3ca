"""What is in the data folder is its owner's alone, whoever made the folder and with whatever umask."""

import os
import stat
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from app.settings import Settings
from tests.workers.cli.test_cli import HONE
from workers.platform.folder import prepare_folder
from workers.platform.postgres import EmbeddedPostgres

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to somebody else")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def prepared(folder: Path) -> Path:
    return prepare_folder(Settings(data_dir=folder))


def test_a_folder_that_was_there_is_closed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "data"
    (folder / "lost+found").mkdir(parents=True)
    folder.chmod(0o755)
    assert mode(prepared(folder)) == 0o700
    for part in ("logs", "run", "store"):
        assert mode(folder / part) == 0o700
    assert capsys.readouterr().err == ""


def test_keys_addresses_and_logs_from_before_are_closed(tmp_path: Path) -> None:
    folder = prepared(tmp_path / "data")
    files = [folder / name for name in ("secret_key", "logs/web.log", "logs/web.log.1", "run/valkey.conf")]
    for file in files:
        file.write_text("a secret")
        file.chmod(0o644)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("not ours")
    elsewhere.chmod(0o644)
    (folder / "logs" / "link").symlink_to(elsewhere)
    folder.chmod(0o775)
    prepared(folder)
    assert [mode(path) for path in (folder, *files)] == [0o700, 0o600, 0o600, 0o600, 0o600]
    assert mode(elsewhere) == 0o644


@pytest.mark.parametrize("given", ["sticky", "full"])
def test_a_folder_that_others_need_is_left_alone_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], given: str
) -> None:
    folder = tmp_path / "var"
    folder.mkdir()
    folder.chmod(0o1777 if given == "sticky" else 0o755)
    if given == "full":
        (folder / "lib").mkdir()
    before = mode(folder)
    assert mode(prepared(folder)) == before
    assert "so its mode" in capsys.readouterr().err


@as_root
def test_root_closes_an_ordinary_users_folder_and_leaves_it_theirs(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o755)
    os.chown(folder, NOBODY, NOBODY)
    prepared(folder)
    assert (mode(folder), folder.stat().st_uid) == (0o700, NOBODY)


@as_root
def test_who_does_not_own_the_folder_is_warned(capsys: pytest.CaptureFixture[str]) -> None:
    with TemporaryDirectory() as way:  # pytest's own is closed to others
        Path(way).chmod(0o711)
        folder = Path(way) / "data"
        folder.mkdir()
        folder.chmod(0o777)
        os.seteuid(NOBODY)
        try:
            prepared(folder)
        finally:
            os.seteuid(0)
        assert mode(folder) == 0o777
    assert f"{folder} belongs to another user, so its mode 777 stays" in capsys.readouterr().err


def test_the_database_runs_in_a_folder_that_only_its_owner_may_enter(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "data").mkdir(mode=0o755)
    server = EmbeddedPostgres(prepared(closed / "data"))
    server.start()
    try:
        assert server.running()
        assert (mode(closed), mode(closed / "data"), mode(server.data), mode(server.sockets)) == (0o700,) * 4
    finally:
        server.stop()


def test_what_hone_writes_is_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    code = f"import os; os.umask(0o000); {HONE[2]}"
    environment = os.environ | {"HONE_DATA_DIR": str(folder), "HONE_BASE_MODEL": "tiny:0"}
    environment = {name: value for name, value in environment.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    done = subprocess.run([sys.executable, "-c", code, "init"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    open_to_others = [
        f"{path.relative_to(folder)} {mode(path):o}"
        for path in (folder, *folder.rglob("*"))
        if not path.is_symlink() and mode(path) & 0o077
    ]
    assert open_to_others == []
    assert (folder / "logs" / "postgres.log").is_file()
