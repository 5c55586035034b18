"""Real JupyterLab in a real browser, on a project of its own and with nothing of the user's."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import ViewportSize, sync_playwright

from jupyter_mlops import trust

REPOSITORY = Path(__file__).parents[2]
AXE = REPOSITORY / "labextension/node_modules/axe-core/axe.min.js"
SCREENSHOTS = REPOSITORY / "screenshots"
#: Lab's first start compiles and imports for long on a small machine.
START = 600
#: Flags that keep chromium from talking to anyone but Lab.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True)
class Lab:
    url: str
    token: str
    root: Path

    def address(self, path=""):
        """The address of a fresh workspace, `path` opened in it."""
        tree = f"/tree/{path}" if path else ""
        return f"{self.url}lab{tree}?reset&token={self.token}"


@pytest.fixture
def page():
    """A fresh page, the browser gone with it: its event loop would block every other test's."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.fail("no chromium: install it (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=[*FLAGS])
        size: ViewportSize = {"width": 1280, "height": 800}
        yield browser.new_page(viewport=size, reduced_motion="reduce")
        browser.close()


@pytest.fixture
def lab(project, tmp_path, monkeypatch):
    """JupyterLab, started in the project's folder, by a user who trusts it."""
    private = tmp_path / "jupyter"
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(private / "data"))
    trust.grant(project.root, "init")
    settings = private / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
    token = secrets.token_hex(16)
    environment = {
        **os.environ,
        "HOME": str(private),
        "JUPYTER_CONFIG_DIR": str(private / "config"),
        "JUPYTER_DATA_DIR": str(private / "data"),
        "JUPYTER_RUNTIME_DIR": str(private / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(private / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(private / "workspaces"),
        "JUPYTER_TOKEN": token,
        "PYTHONDONTWRITEBYTECODE": "",
    }
    log = (tmp_path / "lab.log").open("w")
    server = subprocess.Popen(
        [
            sys.executable,
            *("-m", "jupyterlab", "--no-browser", "--allow-root", "--port=0"),
            "--ServerApp.port_retries=0",
            "--LabApp.expose_app_in_browser=True",
            f"--ServerApp.root_dir={project.root}",
        ],
        env=environment,
        cwd=project.root,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        yield Lab(_address(server, private / "runtime", tmp_path / "lab.log"), token, project.root)
    finally:
        server.terminate()
        try:
            server.wait(
                20
            )  # Lab may wait for a kernel that has just begun; nothing here depends on it
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        log.close()


@pytest.fixture
def open_lab(lab, page):
    """Open Lab, optionally on a file, and wait until it is there."""

    def open_(path=""):
        page.set_default_timeout(START * 1000)
        page.goto(lab.address(path))
        page.wait_for_selector("#jp-top-panel")
        page.wait_for_function("window.jupyterapp !== undefined")
        page.evaluate("window.jupyterapp.restored.then(() => true)")
        return page

    return open_


@pytest.fixture
def barriers(page):
    """What axe finds that keeps people out of a part of the page."""
    if not AXE.exists():
        pytest.fail(f"{AXE.name} is not installed; type: make panel")

    def find(selector):
        page.evaluate(AXE.read_text())
        check = "selector => axe.run(selector).then(found => found.violations)"
        return [
            (rule["id"], node["html"][:200], node["failureSummary"])
            for rule in page.evaluate(check, selector)
            for node in rule["nodes"]
        ]

    return find


@pytest.fixture
def picture(page):
    """Keep a picture for people; nothing compares it."""

    def keep(name):
        SCREENSHOTS.mkdir(exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"{name}.png")

    return keep


def _address(server, runtime, log):
    deadline = time.monotonic() + START
    while time.monotonic() < deadline and server.poll() is None:
        for file in runtime.glob("jpserver-*.json"):
            try:
                return json.loads(file.read_text())["url"]
            except (ValueError, KeyError):
                continue  # it is being written
        time.sleep(0.1)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")
