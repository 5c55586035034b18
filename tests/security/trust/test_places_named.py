"""Each file of a folder that can name a host: until the user trusts the folder, none of them is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_mlops import cli, trust

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.security.trust.conftest import Foreign
    from tests.trials import Trials

VERBS = (
    ["run", "list"], ["run", "show", "x"], ["run", "sync"], ["run", "restore", "x"], ["status"], ["doctor"], ["data", "list"],
    ["data", "status"], ["data", "push"], ["data", "pull"], ["data", "gc", "--yes"], ["model", "list"], ["service", "list"],
    ["drift", "history"], ["job", "list"], ["job", "executions"], ["data", "add", "theirs.ipynb"],
)  # fmt: skip


def _files(host: str) -> dict[str, dict[str, str]]:
    """Return the files of each attack, by its name."""
    return {
        "artifacts": {"mlops.toml": f'tracking.artifacts = "{host}/x"'},
        "remote": {"mlops.toml": f'data.remote = "{host}/x"'},
        "upper case": {"mlops.toml": f'tracking.uri = "{host.upper()}"'},
        "with a login": {"mlops.toml": f'tracking.uri = "{host.replace("//", "//me:pw@")}"'},
        "dvc's local settings": {
            "mlops.toml": "", ".dvc/config": "", ".dvc/config.local": f"[core]\nremote = e\n['remote \"e\"']\nurl = {host}\n",
        },
        "dvc's database": {"mlops.toml": "", ".dvc/config": f'[db "x"]\nurl = {host}\n[hydra]\nenabled = true\n'},
        "a file's own source": {
            "mlops.toml": "",
            "far.csv.dvc": f"deps:\n- path: {host}/far.csv\n  etag: x\nouts:\n- md5: {'0' * 32}\n  hash: md5\n  path: far.csv\n",
        },
        "another repository": {
            "mlops.toml": "",
            "far.dvc": f"deps:\n- path: x\n  repo:\n    url: {host}/r.git\n    rev_lock: {'0' * 40}\nouts:\n- md5: {'0' * 32}\n"
                       "  hash: md5\n  path: far\n",
        },
        "variables in a file": {"mlops.toml": "", ".env": f"MLFLOW_TRACKING_URI={host}\nMLOPS_TRACKING_URI={host}\n"},
        "mlflow's own project": {"mlops.toml": "", "MLproject": f"name: x\nentry_points: {{main: {{command: curl {host}}}}}\n"},
        "a waiting run": {
            "mlops.toml": f'tracking.uri = "{host}"',
            f".mlops/spool/waiting/{'a' * 32}.json":
                f'{{"run_id": "{"a" * 32}", "name": "x", "attempt": "", "into": "", "since": 1.0, "refused": ""}}',
        },
        "a live run": {
            "mlops.toml": f'tracking.uri = "{host}"',
            f".mlops/live/{'a' * 32}.json": '{"pid": 999999, "start": 1, "host": "x", "left": {}}',
        },
        "settings of pip and netrc": {"mlops.toml": "", "pip.conf": f"[global]\nindex-url = {host}\n", ".netrc": "default login a"},
    }  # fmt: skip


def test_no_file_of_an_untrusted_folder_makes_us_ask_a_host(
    foreign: Foreign,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    trials: Trials,
    capfd: pytest.CaptureFixture[str],
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password the-users-password\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "the-users-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-users-secret")
    tried = 0
    for name, files in _files(f"http://127.0.0.1:{foreign.port}").items():
        for path, content in files.items():
            (foreign.root / path).parent.mkdir(parents=True, exist_ok=True)
            (foreign.root / path).write_text(content)
        for words in VERBS:
            assert cli.main(words) in {0, 1, 2}, (name, words)
            said = capfd.readouterr()
            assert "Traceback" not in said.err, (name, words)
            assert foreign.asked == [], (name, words)
            assert foreign.marked() == [], (name, words)
            tried += 1
        for path in files:
            (foreign.root / path).unlink()
    assert not trust.is_trusted(foreign.root)
    trials("files that name a host, in a project that is not trusted", tried, "none asked")
