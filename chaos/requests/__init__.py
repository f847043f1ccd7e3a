"""What one request may do: a small model of each, by rows before and after, beside what the rules do in SQL.

Held wherever a batch had just one request that may change what is owned. The model says how every lease, job and scope
must look afterwards, so that it also sees what a request does to rows that are none of its business. It reads rows,
messages and the clocks of the simulation, and calls nothing of `state.rules`.
"""
