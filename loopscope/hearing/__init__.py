"""What a loop sounds like to a musician: where it is struck, on which grid, how fast.

Everything is heard in mono samples (n,) of the whole loop, or of its first block. Times are seconds from the first
sample, tempi beats per minute.
"""
