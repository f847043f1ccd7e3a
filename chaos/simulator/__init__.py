"""The whole service in one process, under a clock that jumps and a schedule that one seed decides.

    seed -> faults, workload, order of tasks, ids, times
         -> services (the real supervisor, workers, store and rules) on one database and one tree of files
         -> the laws after every commit -> peace -> everything settles -> as after a run without faults

What is real: every line of `supervisor.serve`, `workers/` and `state/` but the threads; SQLite, its files and locks
(below them `disk` fails now and then, and `power` is cut);
the operating system's file locks. What is replaced is listed in `chaos.simulator.seams`.
"""
