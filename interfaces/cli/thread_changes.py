"""`memoryd threads update|archive|unarchive`: what changes one stored session, as the requests of `serve` do."""

from typing import Annotated, Literal

from cyclopts import App, Parameter

from interfaces.cli.options import CommonOptions
from interfaces.service import Service

ThreadArgument = Annotated[str, Parameter(help="the id, or a beginning of it that no other has")]


def add_to(threads: App, service: Service) -> None:
    """Add the commands. What they do is imported when it is done: a listing needs none of it."""

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
        from interfaces.cli import changed_thread

        patch = changed_thread.git_patch(
            sha=(sha, no_sha), branch=(branch, no_branch), origin_url=(origin_url, no_origin_url)
        )
        return await changed_thread.update(common or CommonOptions(), service, thread_id, patch, name, memory_mode)

    @threads.command
    async def archive(thread_id: ThreadArgument, /, *, common: CommonOptions | None = None) -> int:
        """Put a session, and those that it has started, out of sight."""
        from interfaces.cli import changed_thread

        return await changed_thread.put_away(common or CommonOptions(), service, thread_id)

    @threads.command
    async def unarchive(thread_id: ThreadArgument, /, *, common: CommonOptions | None = None) -> int:
        """Bring an archived session back, and those that it has started."""
        from interfaces.cli import changed_thread

        return await changed_thread.bring_back(common or CommonOptions(), service, thread_id)
