"""The home-wide files from the summaries of all projects."""

from tests.fakes.memories import published
from workers.consolidation.home import SCOPE_CHARS_MIN, ScopeSummary, render_home
from workers.consolidation.render import MEMORY_LINES_MAX, SUMMARY_CHARS_MAX


def summary(key: str, *lines: str) -> ScopeSummary:
    """A project's summary with these entries."""
    text = "\n".join(["v1", "", f"# {key}", "", "## User preferences", *(f"- {line}" for line in lines)])
    return ScopeSummary(scope=published(key), text=text + "\n")


def test_home_without_projects_says_so() -> None:
    files = render_home(())

    assert "Nothing worth remembering yet." in files["MEMORY.md"]
    assert files["memory_summary.md"].startswith("v1\n")


def test_projects_stand_one_below_the_other_with_their_headings_one_level_down() -> None:
    text = render_home((summary("/home/ann/shop", "use tabs"), summary("/home/ann/blog", "use spaces")))[
        "memory_summary.md"
    ]

    lines = text.splitlines()
    assert lines[0] == "v1"
    assert lines.count("v1") == 1
    assert lines.index("## /home/ann/shop") < lines.index("- use tabs") < lines.index("## /home/ann/blog")
    assert "### User preferences" in lines


def test_index_leads_to_every_project() -> None:
    text = render_home((summary("/home/ann/shop"), summary("/home/ann/blog")))["MEMORY.md"]

    for key in ("/home/ann/shop", "/home/ann/blog"):
        folder = published(key).scope_folder
        assert f"- {key}: scopes/{folder}/MEMORY.md (last session 2026-09-10)" in text


def test_many_projects_stay_within_the_limits_and_the_rest_is_counted() -> None:
    projects = tuple(summary(f"/home/ann/project-{number}", *["x" * 100] * 60) for number in range(400))
    files = render_home(projects)

    assert len(files["memory_summary.md"]) <= SUMMARY_CHARS_MAX
    assert len(files["MEMORY.md"].splitlines()) <= MEMORY_LINES_MAX
    named = files["memory_summary.md"].count("\n## /home/ann/project-")
    assert f"{400 - named} more projects are listed in MEMORY.md." in files["memory_summary.md"]
    listed = files["MEMORY.md"].count("- /home/ann/project-")
    assert f"- and {400 - listed} more in scopes/" in files["MEMORY.md"]


def test_no_project_is_cut_below_what_is_of_use() -> None:
    projects = tuple(summary(f"/home/ann/project-{number}", *["x" * 100] * 60) for number in range(50))
    text = render_home(projects)["memory_summary.md"]

    first, *parts = text.split("\n## ")
    assert first.startswith("v1")
    assert len(parts) > 3
    assert all(len(part) > SCOPE_CHARS_MIN - 200 for part in parts)


def test_project_that_does_not_fit_does_not_hide_those_after_it() -> None:
    projects = (summary("/" + "x" * 9_000, "huge"), summary("/home/ann/shop", "use tabs"))
    text = render_home(projects)["memory_summary.md"]

    assert "## /home/ann/shop" in text
    assert "1 more projects are listed in MEMORY.md." in text


def test_folder_without_a_name_is_listed_all_the_same() -> None:
    assert "(no folder)" in render_home((summary(""),))["MEMORY.md"]
