"""Child processes of ours: each answers one question after the other until it is told to end."""
