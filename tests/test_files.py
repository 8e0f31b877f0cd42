"""Folders and files of a user's: what cannot be reached or made is refused by one sentence."""

from pathlib import Path

import pytest

import pinn_ac
from pinn_ac.app.config import is_run
from pinn_ac.errors import InputError
from pinn_ac.files import make_writable, user_cache


def test_a_home_of_nobody_is_refused():
    for path in ("~nobody_of_that_name/run", "~outputs"):
        with pytest.raises(InputError, match="the home of a user who is not known here: write it out"):
            pinn_ac.load_run(path)


def test_a_folder_that_may_not_be_entered_is_refused(tmp_path, monkeypatch):
    """As a user other than root finds that of a colleague; Python before 3.14 passes the system's error on."""

    def forbidden(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", forbidden)
    with pytest.raises(InputError, match=r"cannot be read \(Permission denied\): ask for"):
        is_run(tmp_path)


def test_a_folder_behind_a_link_to_nowhere_is_refused(tmp_path):
    (tmp_path / "outputs").symlink_to(tmp_path / "purged")
    with pytest.raises(InputError, match=r"outputs cannot be made \(.*\): choose another hydra\.run\.dir"):
        make_writable(tmp_path / "outputs")


def test_without_a_home_the_cache_is_a_folder_for_temporary_files(tmp_path, monkeypatch):
    monkeypatch.delenv("PINN_AC_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # what Python does where nobody is at home
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert user_cache() == tmp_path / "pinn_ac"
