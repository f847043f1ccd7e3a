"""Commands that no memory may recommend, however well they worked.

They delete, overwrite history, skip a safeguard, publish, or run what they download. The list errs on the side of
silence: a fix that is not remembered costs a minute, a wrong recommendation can cost the work.
"""

import re

COMMAND_CHARS_MAX = 1_000
"""A longer script is not judged but taken for destructive: nobody reads it closely before following a memory."""

_DESTRUCTIVE = re.compile(
    r"""
    \brm\s+(?:-\S+\s+)*-(?:\w*[rRf]|-recursive|-force) | \bshred\b | \bdd\s.*\bof= | \bmkfs | \bwipefs\b
    | \bfind\b.*\s-delete\b | \bxargs\b.*\brm\b | >\s*/dev/(?!null|stdout|stderr|tty)
    | \bgit\b.*\spush\b.*\s(?:-\w*f\b|--force|--delete|--mirror|\+\S) | \bgit\b.*\sreset\b.*--hard | \bgit\b.*\sclean\b
    | \bgit\b.*\scheckout\b.*\s(?:--|-f|\.)(?:\s|['"]|$) | \bgit\b.*\s(?:restore|filter-branch|filter-repo)\b
    | \bgit\b.*\sbranch\b.*\s-D\b | \bgit\b.*\sstash\s+(?:drop|clear) | \bgit\b.*\sreflog\s+expire
    | \|\s*(?:sudo\s+)?(?:(?:ba|z|da|k)?sh|python\d?|node|perl|ruby)\b | \b(?:ba|z)?sh\s+<\( | \beval\b
    | \bchmod\s+(?:-\S+\s+)*(?:0?777|a\+\w*w) | \bchown\s+-R
    | \b(?:killall|pkill)\b | \bkill\s+-(?:9|KILL|SIGKILL) | \b(?:shutdown|reboot|halt|poweroff)\b | :\(\)\s*\{
    | \bdrop\s+(?:table|database|schema|user)\b | \btruncate\s | \bdelete\s+from\b | \bdropdb\b | \bflushall\b
    | \bdocker\b.*\s(?:prune|rm|rmi)\b | \bdocker\b.*\bdown\b.*\s(?:-v\b|--volumes) | \bkubectl\s+delete
    | \bterraform\s+destroy | \bhelm\s+(?:delete|uninstall)
    | --no-verify\b | --no-preserve-root | --break-system-packages | --insecure\b | \bcurl\b.*\s-k\b
    | NODE_TLS_REJECT_UNAUTHORIZED=0 | \b(?:npm|cargo|twine|gem)\s+(?:publish|upload|yank|unpublish)
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)


def is_destructive(command_line: str) -> bool:
    """True for a command line that holds such a command anywhere, in a string or a comment too.

    Of a here-document only the line that opens it is a command.
    """
    first, _, _ = command_line.partition("\n")
    script = first if "<<" in first else command_line
    return len(script) > COMMAND_CHARS_MAX or _DESTRUCTIVE.search(script) is not None
