from __future__ import annotations

from pathlib import Path

import pytest

from kapp.engine.project import project_id


def test_a_project_is_its_kappfile_s_real_path(tmp_path: Path) -> None:
    (tmp_path / "My Shop!").mkdir()
    kappfile = tmp_path / "My Shop!" / "Kappfile"
    link = tmp_path / "link"
    link.symlink_to(kappfile)
    name = project_id(str(kappfile))
    assert name.startswith("my-shop-")
    assert project_id(str(link)) == name
    assert project_id(str(tmp_path / "other" / "Kappfile")) != name


def test_users_have_projects_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = project_id(str(tmp_path / "Kappfile"))
    monkeypatch.setattr("os.getuid", lambda: 12345)
    assert project_id(str(tmp_path / "Kappfile")) != mine
