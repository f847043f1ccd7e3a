"""Real processes under real faults: services that are killed, frozen, starved of disk and locked out, and what is left.

    memoryd chaos --seed 7 --processes 3 --duration 20

`plan` draws the faults from the seed, `services` starts and ends processes, `workload` writes the corpus, `inflict`
does what the plan says, `checks` judges rows, files and acknowledgements, `conduct` puts them together. Everything
happens in a temporary folder, and everything that is started is ended by its id. `operators` use the real commands
meanwhile, `histories` gathers what everybody was told and has it judged, `wall` remembers how the clock was shifted.

What is real: the processes, signals, OS locks, SQLite files, the disk's limits, HTTP. What is not: leases are three
seconds long, so that a freeze outlasts one; the wall clock is shifted by an offset file; the model is a server of ours.
"""
