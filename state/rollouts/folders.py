"""The folder that a session says it works in, written in one way.

Codex compares such paths part by part, so that `/srv/shop/`, `/srv//shop` and `/srv/./shop` are one folder to it; they
are one project here. What `..` leads to depends on links, so nobody guesses at it.
"""

import os


def plain_folder(folder: str) -> str:
    """The path without what means nothing in it. Nobody looks whether it is there."""
    if "//" not in folder and "/." not in folder and (not folder.endswith("/") or folder == "/"):
        return folder
    first, *others = folder.split("/")
    parts = [first, *(part for part in others if part not in ("", "."))]
    return "/".join(parts) if len(parts) > 1 or first else "/"


def absolute_folder(folder: str) -> str:
    """The path as it is shown: without detours, from this process's own folder, `~` being the person's."""
    if folder.startswith("/") and plain_folder(folder) == folder and "/.." not in folder:
        return folder
    if folder == "~" or folder.startswith("~/"):
        folder = os.path.expanduser("~") + folder[1:]
    found = os.path.normpath(os.path.join(os.getcwd(), folder))
    return found[1:] if found.startswith("//") else found
