"""What `python -m convcheck` is asked, and what it answers, so that two checkouts can be compared from outside.

Nothing in this folder imports convcheck: whatever is moved or renamed in there, the same questions can be put.
"""
