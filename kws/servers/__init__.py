"""Servers: what kws hears and can do, for other programs and for people."""
