"""PortAudio: its devices, and a process that records from one of them. Nothing here needs NumPy, to start fast."""
