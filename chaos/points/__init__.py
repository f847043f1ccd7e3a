"""`kill -9` at many points of one run, from backfill to publishing, and the same end state as without.

    memoryd chaos points --points 200

A point is a moment just before an SQL statement, or just before a call that changes or syncs a file. `child` is the
process that dies there by SIGKILL, or lives; `conduct` counts the points of a run, has one killed at each of those that
were chosen, lets the next process finish, and compares. Both are real processes on real files; the clocks are the
machine's, and leases have their real length: nobody waits one out.
"""
