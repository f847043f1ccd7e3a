"""What a repository says of itself is read from its files, in every usual form of them."""

from pathlib import Path

from workers.threads.git import git_of

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def repository(path: Path, head: str = "ref: refs/heads/main\n") -> Path:
    git = path / ".git"
    (git / "refs" / "heads").mkdir(parents=True)
    (git / "HEAD").write_text(head)
    (git / "refs" / "heads" / "main").write_text(f"{COMMIT}\n")
    (git / "config").write_text(
        '[core]\n\tbare = false\n[remote "origin"]\n\turl = https://ann:secret@example.test/a\n'
    )
    return git


def test_commit_branch_and_origin_are_found_from_a_folder_within(tmp_path: Path) -> None:
    repository(tmp_path)
    below = tmp_path / "src" / "deep"
    below.mkdir(parents=True)

    assert git_of(str(below)) == {
        "commit_hash": COMMIT,
        "branch": "main",
        "repository_url": "https://example.test/a",
    }


def test_packed_commit_and_detached_head_are_found(tmp_path: Path) -> None:
    git = repository(tmp_path / "packed")
    (git / "refs" / "heads" / "main").unlink()
    (git / "packed-refs").write_text(f"# pack-refs with: peeled\n{COMMIT} refs/heads/main\n")
    repository(tmp_path / "detached", head=f"{COMMIT}\n")

    packed, detached = git_of(str(tmp_path / "packed")), git_of(str(tmp_path / "detached"))

    assert packed is not None
    assert packed["commit_hash"] == COMMIT
    assert detached is not None
    assert detached["commit_hash"] == COMMIT
    assert "branch" not in detached


def test_work_tree_of_its_own_is_followed(tmp_path: Path) -> None:
    git = repository(tmp_path / "main")
    own = git / "worktrees" / "side"
    own.mkdir(parents=True)
    (own / "HEAD").write_text("ref: refs/heads/main\n")
    (own / "commondir").write_text("../..\n")
    side = tmp_path / "side"
    side.mkdir()
    (side / ".git").write_text(f"gitdir: {own}\n")

    found = git_of(str(side))

    assert found is not None
    assert found["commit_hash"] == COMMIT


def test_folder_without_a_repository_and_one_with_a_broken_one_say_nothing(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    (broken / ".git").mkdir(parents=True)
    (broken / ".git" / "HEAD").write_text("ref: ../../../etc/passwd\n")
    (broken / ".git" / "config").write_bytes(b"\xff\x00[")

    assert git_of(str(tmp_path)) is None
    assert git_of(str(broken)) is None
    assert git_of(str(tmp_path / "gone")) is None
