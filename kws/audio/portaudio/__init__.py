"""PortAudio: its devices, and recording from one, in this process or in one of its own.

Nothing in here needs NumPy: a process that does nothing but record is to be small, and to start at once.
"""
