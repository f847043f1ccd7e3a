"""`memoryd threads update|archive|unarchive`: what changes one stored session.

`stored_changes` does it; it is imported when one of them is asked for, since listings need nothing of it.
"""

from typing import Annotated, Literal

from cyclopts import App, Parameter

from interfaces.cli.options import CommonOptions
from interfaces.service import Service

ThreadArgument = Annotated[str, Parameter(help="the id, or a beginning of it that no other has")]


def add_to(threads: App, service: Service) -> None:
    """Add the commands."""

    @threads.command
    async def update(
        thread_id: ThreadArgument,
        /,
        *,
        branch: Annotated[str | None, Parameter(help="the git branch")] = None,
        no_branch: Annotated[bool, Parameter(help="no git branch")] = False,
        sha: Annotated[str | None, Parameter(help="the git commit")] = None,
        no_sha: Annotated[bool, Parameter(help="no git commit")] = False,
        origin_url: Annotated[str | None, Parameter(help="where the git repository comes from")] = None,
        no_origin_url: Annotated[bool, Parameter(help="no git origin")] = False,
        name: Annotated[str | None, Parameter(help="what people call the session")] = None,
        memory_mode: Annotated[
            Literal["enabled", "disabled"] | None, Parameter(help="whether it may be remembered")
        ] = None,
        common: CommonOptions | None = None,
    ) -> int:
        """Say something of one session. What is not named stays as it is."""
        from interfaces.cli import stored_changes

        change = stored_changes.Change(
            sha=stored_changes.choice("sha", sha, cleared=no_sha),
            branch=stored_changes.choice("branch", branch, cleared=no_branch),
            origin_url=stored_changes.choice("origin-url", origin_url, cleared=no_origin_url),
            name=name,
            memory_mode=memory_mode,
        )
        await stored_changes.update_session(thread_id, change, common or CommonOptions(), service)
        return 0

    @threads.command(name="archive")
    async def archive_(thread_id: ThreadArgument, /, *, common: CommonOptions | None = None) -> int:
        """Put a session, and those that it has started, out of sight."""
        from interfaces.cli import stored_changes

        await stored_changes.archive_session(thread_id, common or CommonOptions(), service)
        return 0

    @threads.command(name="unarchive")
    async def unarchive_(thread_id: ThreadArgument, /, *, common: CommonOptions | None = None) -> int:
        """Bring an archived session back, and those that it has started."""
        from interfaces.cli import stored_changes

        await stored_changes.unarchive_session(thread_id, common or CommonOptions(), service)
        return 0
