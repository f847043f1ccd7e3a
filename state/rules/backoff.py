"""How long to wait after the n-th failure: 30 s, doubling, at most an hour, spread by jitter.

The wait lies between half of the full value and the full value, so that many jobs that failed together
do not come back together.
"""

BACKOFF_MS_MIN = 30_000
BACKOFF_MS_MAX = 3_600_000


def backoff_ms(failures: int, jitter_permille: int) -> int:
    """Milliseconds to wait after `failures` failures in a row (1 or more); jitter_permille is 0 to 1000."""
    full = min(BACKOFF_MS_MIN << min(max(failures, 1) - 1, 20), BACKOFF_MS_MAX)
    jitter = min(max(jitter_permille, 0), 1000)
    return full // 2 + full // 2 * jitter // 1000
