"""``python -m kws`` is the command ``kws``."""

import sys

from kws.cli import main

sys.exit(main())
