"""A disk that fails on purpose, and the store that has to keep its promises on it.

    memoryd chaos disk --seed 1 --stride 1          # everything, some minutes of CPU time
    memoryd chaos disk --seed 1 --only full         # no room, at every write
    memoryd chaos disk --seed 1 --only processes    # real processes on failing disks

What is real: the whole store, from its locks, migrations and registration to group commit and closing; SQLite; and
the files, which lie in a temporary folder (in memory where there is one). What is simulated: the disk under SQLite, by
a VFS (`faulty`) that does what a plan of `faults` says and records every change, and the power (`medium`), which
rebuilds what any moment of a record may leave: every unsynced sector of 512 bytes, name and truncation has arrived or
has not. The store's clock stands still during a batch, and its askers are a seeded script (`workload`) without an event
loop.

    power      a run is recorded once; the power is cut after each of its events; the real store opens what is left
    openings   the same while it migrates or sets a damaged file aside; errors while it opens
    errors     each operation of a run fails, one run an operation, once or for good; the disk fills up and is emptied
    processes  real processes share a database, each with a failing disk; some are killed (`process` is one of them)
    promises   judges: what was answered, against the rows that are there, by the rules alone in memory
    examine    all of it under one seed, with controls: stores and disks that cannot keep their promises

What is taken for granted of a disk: bytes that a write does not name stay as they are, a sector is written whole or not
at all, and what a sync that succeeded has promised is kept. The index of the log (-shm) is memory and never fails.
A read that gives less than there is, without an error, is not survived: SQLite takes the rest of the page for zeros.

To add a fault: an effect in `faults.Effect` and `POSSIBLE`, what it does in `faulty`, and a line in `faults.ERRORS`.
"""
