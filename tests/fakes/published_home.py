"""A Codex home and a state folder whose current generations a test writes by hand, without a store."""

from collections.abc import Mapping
from pathlib import Path

import attrs

from state.folder import StateFolder
from state.ids import Scope
from state.messages.consolidation import HOME_SCOPE, PublishedScope
from workers.publishing import Outcome
from workers.publishing.one_pass import Current, publish_now, undo_now

Tree = Mapping[str, tuple[int, bytes]]


@attrs.define
class PublishedHome:
    """home: the Codex home; folder: memoryd's state folder for it."""

    home: Path
    folder: StateFolder
    generation: int = 0

    @classmethod
    def below(cls, root: Path) -> "PublishedHome":
        """Make both below a folder."""
        (root / "codex").mkdir()
        return cls(home=root / "codex", folder=StateFolder(path=root / "state"))

    def generate(self, summary: str, **projects: Mapping[str, str]) -> Current:
        """Write a new generation: the summary, and for each project its rollout summaries by file stem."""
        self.generation += 1
        index = "".join(f"- /{name}: scopes/{name}/MEMORY.md\n" for name in projects)
        home = self._write("home", {"MEMORY.md": index, "memory_summary.md": f"v1\n{summary}\n"})
        scopes = []
        for name, stems in projects.items():
            files = {
                "MEMORY.md": "".join(f"- more: rollout_summaries/{stem}.md\n" for stem in stems),
                "raw_memories.md": "x",
            }
            files |= {f"rollout_summaries/{stem}.md": text for stem, text in stems.items()}
            scopes.append(self._scope(Scope(kind="cwd", key=f"/{name}"), name, self._write(name, files)))
        return Current(home=self._scope(HOME_SCOPE, "home", home), scopes=tuple(scopes))

    def publish(self, current: Current) -> Outcome:
        """One pass."""
        return publish_now(self.home, self.folder, current)

    def undo(self) -> Outcome:
        """Take it away again."""
        return undo_now(self.home, self.folder, dry_run=False)

    def tree(self) -> Tree:
        """Permission bits and bytes of everything in the home."""
        return {
            str(path.relative_to(self.home)): (
                path.lstat().st_mode,
                path.read_bytes() if path.is_file() and not path.is_symlink() else b"",
            )
            for path in sorted(self.home.rglob("*"))
        }

    def _scope(self, scope: Scope, name: str, generation_folder: str) -> PublishedScope:
        return PublishedScope(
            scope=scope,
            scope_folder=name,
            generation=self.generation,
            generation_folder=generation_folder,
            source_at_ms=0,
        )

    def _write(self, name: str, files: Mapping[str, str]) -> str:
        folder = f"generations/{name}/{self.generation:08d}-aaaaaaaa"
        for below, text in files.items():
            path = self.folder.memories_dir / folder / below
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return folder
