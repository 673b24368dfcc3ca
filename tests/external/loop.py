"""`make test-external`: the whole loop as on real servers. Not among the tests that `make test` finds by itself.

PostgreSQL and Redis are Debian's own. Web, scheduling, the workers and the inference server run on hosts of their own,
which share nothing but the two servers, one store and the secrets; the simulated annotators come over the network too.
"""

import json
import os
import secrets
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import psycopg
import pytest
import redis

from tests.external.network import HERE, THERE, host, switch
from tests.external.servers import postgres, redis_server

PROCESSES = ("web", "scheduling", "sampling", "training", "files", "inference")
HONE = [sys.executable, "-c", "from workers.cli.main import main; main()"]
INFERENCE = [sys.executable, "-m", "workers.inference.server", "--host", "0.0.0.0", "--port", "8001"]


@pytest.mark.timeout(1800)
def test_the_loop_closes_with_each_process_on_its_own_host(tmp_path: Path) -> None:
    addresses = dict(zip(PROCESSES, THERE, strict=False))
    with ExitStack() as everything:
        everything.enter_context(switch())
        database = everything.enter_context(postgres(HERE))
        queue = everything.enter_context(redis_server(HERE))
        shared = os.environ | {
            "DATABASE_URL": database,
            "REDIS_URL": queue,
            "HONE_STORE_DIR": str(tmp_path / "store"),
            "HONE_SECRET_KEY": secrets.token_urlsafe(48),
            "HONE_INFERENCE_SECRET": secrets.token_urlsafe(24),
            "HONE_INFERENCE_URL": f"http://{addresses['inference']}:8001/v1",
            "HONE_PUBLIC_URL": f"http://{addresses['web']}:8000",
            "HONE_BASE_MODEL": "tiny:7",
            "HONE_DEMO": "small",
        }

        def of(name: str) -> dict[str, str]:
            return shared | {"HONE_DATA_DIR": str(tmp_path / name), "HONE_HOST": addresses.get(name, "127.0.0.1")}

        made = subprocess.run([*HONE, "init"], env=of("operator"), capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stderr
        hosts = {
            name: everything.enter_context(
                host(name, address, INFERENCE if name == "inference" else [*HONE, "process", name], of(name), tmp_path)
            )
            for name, address in addresses.items()
        }
        wait_until_well(shared["HONE_PUBLIC_URL"], hosts["web"].log)
        apart = [host.namespaces() for host in hosts.values()]
        assert len({one for each in apart for one in each}) == 3 * len(PROCESSES), "hosts share a namespace"

        demo = subprocess.run(
            [sys.executable, "-m", "workers.demo"], env=of("operator"), capture_output=True, text=True, check=False
        )
        said = "\n".join(each.log.read_text()[-3000:] for each in hosts.values())
        assert demo.returncode == 0, f"{demo.stdout}\n{demo.stderr}\n{said}"
        assert "up already" in demo.stdout
        report = json.loads((tmp_path / "operator" / "demo-report.json").read_text())
        assert report["ok"] is True
        assert {each["model"] for each in report["before"]} != {each["model"] for each in report["after"]}

        with psycopg.connect(database) as connection:
            version = str(connection.execute("select version()").fetchone())
            rows = connection.execute(
                "select kind, state, split_part(worker, ':', 1) from run where worker is not null"
            ).fetchall()
        assert "Debian" in version
        assert {state for _, state, _ in rows} == {"succeeded"}
        where = {kind: worker for kind, _, worker in rows}
        assert {where["sampling"], where["training"], where["import"]} == {"sampling", "training", "files"}, where
        with redis.Redis.from_url(queue) as client:
            print(version, "Redis", client.info()["redis_version"], json.dumps(report["seconds"]), where)
        for each in hosts.values():
            assert each.process.poll() is None, each.log.read_text()
            assert "Traceback" not in each.log.read_text(), each.log.read_text()


def wait_until_well(url: str, log: Path) -> None:
    """Until every part is well."""
    deadline, said = time.monotonic() + 180, ""
    while time.monotonic() < deadline:
        try:
            said = (answer := httpx.get(f"{url}/healthz", timeout=5)).text
        except httpx.TransportError as error:
            said = str(error)
        else:
            if answer.status_code == 200:
                return
        time.sleep(0.5)
    raise AssertionError(f"{said}\n{log.read_text()}")
