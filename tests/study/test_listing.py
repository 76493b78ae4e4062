"""What `--list` prints: every declared part of every role, with its settings, also one that another package declares."""

from dataclasses import dataclass
from typing import ClassVar

import pytest

from harness import kinds
from harness.driver import listing


@pytest.fixture
def listed(tmp_path, monkeypatch, capsys):
    """A function that returns what is printed, as words: a narrow terminal breaks lines."""
    monkeypatch.chdir(tmp_path)

    def read():
        listing.print_list()
        return " ".join(capsys.readouterr().out.split())

    return read


def test_every_part_is_listed_with_its_settings_their_defaults_and_limits(listed):
    out = listed()
    for role in listing.ROLES:
        for part in kinds.parts(role).values():
            assert part.name in out
            assert " ".join(part.help.split()) in out
            for setting in kinds.settings_of(part.settings):
                assert f"{setting.help}; {setting.allowed}" in out
    assert "schedules (kind, in [schedules.LABEL])" in out
    assert "final = 0.01 fraction of the peak left at the end; above 0 and at most 1" in out


@dataclass(frozen=True)
class Settings:
    """One of each type."""

    amount: float = kinds.number(0.5, low=0, high=2, text="how much")
    form: str = kinds.choice("round", ("round", "square"), text="which form")
    twice: bool = kinds.flag(True, text="whether it is applied again")


@dataclass(frozen=True, kw_only=True)
class Loss(kinds.Part):
    """A part of another package."""

    role: ClassVar[str] = "loss"


def test_a_part_that_another_package_declares_is_listed_under_the_key_that_names_it(listed, monkeypatch):
    part = Loss(name="mine", help="a loss of one's own", build=dict, settings=Settings)
    monkeypatch.setattr(kinds, "_installed", lambda *_: (part,))
    out = listed()
    assert "losses (train.loss)" in out
    assert "mine a loss of one's own" in out
    assert "amount = 0.5 how much; at least 0 and at most 2" in out
    assert 'form = "round" which form; one of: round, square' in out
    assert "twice = true whether it is applied again; true or false" in out


def test_studies_of_every_folder_are_named(tmp_path):
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / "empty.toml").write_text("", encoding="utf-8")
    found = listing.studies(tmp_path, tmp_path / "published")
    assert list(found) == ["built-in 'quick'", str(tmp_path / "published" / "empty.toml")]


def test_every_role_that_has_parts_is_listed():
    roles = {part.role for part in kinds._shipped()}
    assert roles <= set(listing.ROLES)
