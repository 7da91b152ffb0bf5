"""What tests and tools need around kws: a broker, a sound server, a service manager, made sounds and models."""

from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
