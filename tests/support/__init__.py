"""A broker, a sound server, a service manager, generated sounds and models, for tests and tools."""

from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
