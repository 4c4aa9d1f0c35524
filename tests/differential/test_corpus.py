"""Files as people have them: Spin makes of each what Docker Compose makes of it, or a kept list says what differs and why."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from support.differential import KEPT, Case, case_in, compare, lowered_alike

CORPUS = Path(__file__).parent / "corpus"
NAMES = sorted({path.name for path in CORPUS.iterdir()})


def case(name: str, tmp_path: Path) -> Case:
    """The case laid out in a directory of its own: a single file becomes `compose.yaml` there."""
    source, home = CORPUS / name, tmp_path / name.partition(".")[0]
    if source.is_dir():
        shutil.copytree(source, home)
    else:
        home.mkdir()
        shutil.copy(source, home / "compose.yaml")
    return case_in(home)


def test_the_corpus_is_large() -> None:
    assert len(NAMES) >= 60


@pytest.mark.parametrize("name", NAMES)
def test_spin_makes_of_a_file_what_docker_compose_makes_of_it(name: str, tmp_path: Path, compose: list[str]) -> None:
    found = compare(case(name, tmp_path), compose)
    assert found.keys() == KEPT.get(name, {}).keys(), json.dumps(found, indent=1, ensure_ascii=False, default=str)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in KEPT])
def test_long_forms_from_compose_are_lowered_to_the_same_stack(name: str, tmp_path: Path, compose: list[str]) -> None:
    ours, theirs = lowered_alike(case(name, tmp_path), compose)
    assert ours == theirs


def test_what_is_kept_is_about_files_that_are_there() -> None:
    assert KEPT.keys() <= set(NAMES)
    assert all(reason for differences in KEPT.values() for reason in differences.values())
