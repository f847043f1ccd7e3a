"""A page of threads out of the index, in step with the files if that is wanted; out of these where there is no index.

Before a page is shown, new and moved files are looked for, and then at the files of the page itself: one that has grown
is read, and the page is asked for again, since what was said in it may have moved its thread.
"""

import trio

from interfaces.rpc.host import Host
from state.messages.threads import ListThreads, ThreadPage
from state.unindexed import list_unindexed

LOOKS_MAX = 3
"""How often a page is asked for. A writer that never rests is not waited for."""


async def page_of(host: Host, wanted: ListThreads, *, as_files_say: bool) -> ThreadPage:
    """The page.

    Args:
      as_files_say: False answers what the index has, without a look at any file.

    Raises:
      StoreError: the store could not answer.
    """
    if host.handle is None:
        return await trio.to_thread.run_sync(
            lambda: list_unindexed(
                host.codex_home,
                wanted,
                redact=host.redact,
                model_provider_default=host.defaults.model_provider,
            ),
            abandon_on_cancel=True,
        )
    if as_files_say:
        await host.index.catch_up()
    page = await host.handle.ask(wanted)
    for _ in range(LOOKS_MAX - 1):
        if not as_files_say or not await host.index.refresh([thread.rollout_path for thread in page.threads]):
            break
        page = await host.handle.ask(wanted)
    return page
