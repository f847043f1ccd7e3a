"""Carrying a plan out, so that a kill at any instruction leaves files that the manifest knows, each of them whole.

enter what is intended -> make folders -> write, the summary last -> remove -> remove empty folders -> enter the end
"""

import os
import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import attrs

from workers.publishing.errors import PublishError, explained
from workers.publishing.home_files import ChangedMeanwhileError, HomeFiles, digest_of
from workers.publishing.manifest import Kept, Manifest, save
from workers.publishing.plan import Action, Step
from workers.redaction import redact

DISPLACED_MAX = 20
"""So many passes that put Codex's versions aside are kept; Codex consolidates every six hours at most."""


class Application:
    """One plan at work on one home."""

    def __init__(self, files: HomeFiles, publish_dir: Path, manifest: Manifest, wanted: Mapping[str, bytes]) -> None:
        self._files = files
        self._publish_dir = publish_dir
        self._wanted = wanted
        self._mark = secrets.token_hex(6)
        self.manifest = manifest

    def apply(self, steps: Sequence[Step], *, folder: str | None) -> tuple[Step, ...]:
        """Do what the steps say; answer them as they came out: a file that changed meanwhile is kept after all.

        Raises:
          PublishError: something was refused; what was done is entered, and the next pass goes on from there.
        """
        before = self.manifest
        writes = [step for step in steps if step.action in (Action.WRITE, Action.RESTORE)]
        folders = self._folders_to_make(writes)
        changes = any(step.action is Action.REMOVE for step in steps) or bool(writes)
        if changes:
            self._enter_intent(writes, folders)
        try:
            with explained("publish into", self._files.path):
                for name in folders:
                    self._files.make_folder(name)
                done = tuple(self._done(step) for step in steps)
                left = self._remove_empty_folders(done)
        except PublishError:
            self._settle(before)
            raise
        self._finish(before, done, left, folder=folder, changes=changes)
        return done

    def _folders_to_make(self, writes: Sequence[Step]) -> list[str]:
        needed = {parent for step in writes for parent in _parents(step.path)}
        return [name for name in sorted(needed) if self._files.folder_state(name) is None]

    def _enter_intent(self, writes: Sequence[Step], folders: Sequence[str]) -> None:
        entered = dict(self.manifest.files)
        for step in writes:
            digests = (*entered.get(step.path, ()), digest_of(self._wanted[step.path]))
            entered[step.path] = tuple(dict.fromkeys(digests))
        self.manifest = attrs.evolve(
            self.manifest,
            files=entered,
            folders=tuple(sorted({*self.manifest.folders, *folders})),
            temporary=tuple(self._temporary(step.path) for step in writes),
        )
        save(self._publish_dir, self.manifest)

    def _temporary(self, path: str) -> str:
        return f"{os.path.dirname(path)}/.memoryd-{self._mark}.tmp"

    def _done(self, step: Step) -> Step:
        try:
            if step.action in (Action.WRITE, Action.RESTORE):
                if step.displaces:
                    self._set_aside(step.path)
                data = self._wanted[step.path]
                self._files.put(step.path, data, before=step.found, temporary=self._temporary(step.path))
            elif step.action is Action.REMOVE and step.found is not None:
                self._files.remove(step.path, step.found)
        except ChangedMeanwhileError:
            kept = Kept(
                path=step.path,
                reason="changed while memoryd was at it",
                hint="the next publish looks again",
                ours=step.path in self.manifest.files,
            )
            return Step(path=step.path, action=Action.KEEP, kept=kept)
        return step

    def _set_aside(self, path: str) -> None:
        """Save Codex's version in the state folder, without secrets. Codex's own repository has it whole."""
        stamp = time.strftime("%Y-%m-%dT%H-%M-%S", time.gmtime())
        displaced = self._publish_dir / "displaced"
        target = displaced / f"{stamp}-{self._mark}" / path
        text = redact(self._files.read(path).decode(errors="replace"))
        with explained("save what Codex wrote in", target):
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
                file.write(text.encode(errors="replace"))
                file.flush()
                os.fsync(file.fileno())
            for name in sorted(os.listdir(displaced))[:-DISPLACED_MAX]:
                shutil.rmtree(displaced / name, ignore_errors=True)

    def _remove_empty_folders(self, done: Sequence[Step]) -> tuple[str, ...]:
        """Remove our folders that nothing of ours is in any more; answer those that are still ours."""
        gone = {step.path for step in done if step.action in (Action.REMOVE, Action.FORGET)}
        needed = {parent for path in set(self.manifest.files) - gone for parent in _parents(path)}
        for name in sorted(set(self.manifest.folders) - needed, reverse=True):
            # Where it holds something of somebody else's it stays, and is theirs from now on.
            self._files.remove_folder(name)
        return tuple(name for name in self.manifest.folders if name in needed)

    def _finish(
        self, before: Manifest, done: Sequence[Step], folders: tuple[str, ...], *, folder: str | None, changes: bool
    ) -> None:
        entered = dict(self.manifest.files)
        for step in done:
            if step.action in (Action.WRITE, Action.RESTORE):
                entered[step.path] = (digest_of(self._wanted[step.path]),)
            elif step.action is Action.NOTHING and step.found is not None:
                entered[step.path] = (step.found.digest,)
            elif step.action in (Action.REMOVE, Action.FORGET) or step.path not in before.files:
                entered.pop(step.path, None)
        self.manifest = attrs.evolve(
            self.manifest,
            files=entered,
            folders=folders,
            temporary=(),
            folder=folder,
            published_at_ms=time.time_ns() // 1_000_000 if changes else before.published_at_ms,
            kept=tuple(step.kept for step in done if step.kept is not None),
            problem=None,
        )
        if self.manifest != before:
            save(self._publish_dir, self.manifest)

    def _settle(self, before: Manifest) -> None:
        """After a refusal: strike out what was only intended and never came to be."""
        there = {path for path in self.manifest.files if path in before.files or self._may_exist(path)}
        made = {name for name in self.manifest.folders if name in before.folders or self._may_exist(name)}
        self.manifest = attrs.evolve(
            self.manifest,
            files={path: digests for path, digests in self.manifest.files.items() if path in there},
            folders=tuple(sorted(made)),
        )
        with suppress(PublishError):
            save(self._publish_dir, self.manifest)

    def _may_exist(self, path: str) -> bool:
        try:
            return self._files.exists(path)
        except OSError:
            return True


def _parents(path: str) -> list[str]:
    """Every folder on the way to a path, outermost first."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
