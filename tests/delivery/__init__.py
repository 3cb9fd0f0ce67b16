"""What becomes of events: every fault of a receiver, every way in which a program ends, counted in real processes.

`python -m tests.delivery.table` prints the outcome.
"""
