"""The command line, as a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from vb.cli import COMMANDS, main

PYTHON = [sys.executable, "-m", "vb.cli"]
QUIET = {"PATH": os.environ["PATH"]}


def test_help_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    shown = capsys.readouterr().out
    assert all(command.name in shown for command in COMMANDS)


def test_help_of_serve_lists_the_variables(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    assert "SIP_BIND_IP" in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["nonsense"], ["serve", "--nonsense"]])
def test_wrong_words_are_told(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_a_setting_that_cannot_be_read_is_one_line_and_exit_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SIP_PORT", "nonsense")
    assert main(["serve"]) == 1
    output = capsys.readouterr().err
    assert output == 'vb: SIP_PORT="nonsense" cannot be used: a whole number from 0 to 65535 is wanted\n'


def test_settings_can_be_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIP_PORT", "5070")
    assert main(["serve", "--check"]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_with_status_0(number: int, tmp_path: Path) -> None:
    environment = QUIET | {
        "HTTP_ADDR": "127.0.0.1:0",
        "SIP_PORT": "0",
        "RECORDING_DIR": str(tmp_path),
        "STATE_DIR": str(tmp_path),
    }
    with subprocess.Popen([*PYTHON, "serve"], env=environment, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        for line in server.stderr:
            if '"event":"ready"' in line:
                break
        server.send_signal(number)
        rest = server.stderr.read()
        assert server.wait(10) == 0
    assert "Traceback" not in rest
    assert '"event":"stopped"' in rest


@pytest.mark.slow
def test_a_taken_address_ends_the_start_with_one_line(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        environment = QUIET | {"HTTP_ADDR": f"127.0.0.1:{listener.getsockname()[1]}", "SIP_PORT": "0"}
        done = subprocess.run(
            [*PYTHON, "serve"], env=environment, capture_output=True, text=True, timeout=20, check=False
        )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("vb: HTTP cannot listen on 127.0.0.1:")
