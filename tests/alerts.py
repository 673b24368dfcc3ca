"""What the shipped alert rules say of scraped figures: promtool evaluates them, as Prometheus would."""

import math
import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import yaml
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from app.main import app
from app.monitoring import installation, routes
from app.web import health

RULES = Path(__file__).parents[1] / "docs" / "alerts.yml"
STEP = 5  # seconds between the samples that promtool is given


def scrape(url: str | None = None) -> tuple[float, str]:
    """When, and what /metrics says now: of the web server at `url`, or of one of this process."""
    if url is not None:
        time.sleep(routes.FRESH)  # or it may be what the one before got
        return time.time(), httpx.get(f"{url}/metrics", timeout=30).raise_for_status().text
    health._checked, installation._found, routes._written = (0.0, {}), (0.0, []), (0.0, b"")
    answer = TestClient(app, base_url="http://localhost", client=("127.0.0.1", 1)).get("/metrics")
    return time.time(), answer.raise_for_status().text


def firing(scrapes: Sequence[tuple[float, str]], folder: Path, *, lasting: int = 0) -> set[str]:
    """The names of the alerts that fire at the end of scrapes of (seconds since 1970, text; empty: no answer), whose
    last one is held for `lasting` seconds more: a fault that goes on."""
    began = scrapes[0][0]
    steps: list[int] = []  # the one of each scrape: two within one step would hide what came up between them
    for at, _ in scrapes:
        steps.append(max(math.ceil((at - began) / STEP), steps[-1] + 1 if steps else 0))
    count = steps[-1] + lasting // STEP + 1
    series: dict[str, list[str]] = {}
    texts = [_values(text) for _, text in scrapes]
    last_at = [max(n for n, first in enumerate(steps) if first <= step) for step in range(count)]
    for name in {name for values in texts for name in values}:
        shift = began if "_timestamp_seconds" in name else 0.0  # promtool's clock begins at 0
        series[name] = [repr(texts[n][name] - shift) if name in texts[n] else "_" for n in last_at]
    series['up{job="hone"}'] = [str(int(bool(texts[n]))) for n in last_at]
    end = f"{STEP * (count - 1)}s"
    inputs = [{"series": name, "values": " ".join(row)} for name, row in series.items()]
    asked = {"expr": 'ALERTS{alertstate="firing"}', "eval_time": end, "exp_samples": [{"labels": "none", "value": 0}]}
    test = {"interval": f"{STEP}s", "input_series": inputs, "promql_expr_test": [asked]}
    file = folder / "alerts-test.yml"
    whole = {"rule_files": [str(RULES)], "evaluation_interval": f"{STEP}s", "tests": [test]}
    file.write_text(yaml.safe_dump(whole), encoding="utf-8")
    done = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True, timeout=60)
    said = done.stdout + done.stderr
    assert "exp:" in said, said  # what we expected is never so: promtool says what it got
    return set(re.findall(r'alertname="(\w+)"', said))


def _values(text: str) -> dict[str, float]:
    return {
        sample.name + "{" + ", ".join(f'{label}="{value}"' for label, value in sorted(sample.labels.items())) + "}": (
            float(sample.value)
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
