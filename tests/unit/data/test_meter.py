"""Progress of what takes long: bytes, percent, files."""

from __future__ import annotations

import pytest

from jupyter_mlops.data import meter
from jupyter_mlops.data.meter import Meter


def test_what_is_quick_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Meter("hashing a.bin", size=10) as counted:
        counted.add(10)
    assert capsys.readouterr().err == ""


def test_what_is_long_says_bytes_and_percent_and_how_long_it_took(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meter, "_QUIET", 0.0)
    with Meter("hashing a.bin", size=3_000_000_000) as counted:
        counted.add(1_200_000_000)
        counted.add(1)  # not said: less than a second after the last
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "hashing a.bin … 1.2 GB of 3 GB (40%)"
    assert len(said) == 2
    assert said[1].startswith("hashing a.bin … 1.2 GB in ")


def test_many_files_are_counted_too() -> None:
    counted = Meter("hashing images", size=20_000, files=20_000)
    counted.add(5_000, files=5_000)
    assert counted.line() == "hashing images … 5,000 of 20,000 files, 5 kB of 20 kB (25%)"


def test_a_transfer_of_unknown_size_says_what_came() -> None:
    counted = Meter("pulling from s3://bucket")
    counted.add(1_000)
    assert counted.line() == "pulling from s3://bucket … 1 kB"
