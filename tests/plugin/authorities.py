"""No authority is trusted but one whose key nobody has: nothing here speaks TLS to the world, and a client that reads the world's
140 certificates takes 0.03 s of CPU, some two thousand times a run.

A test of TLS names its own certificate where it connects. Loaded with ``-p`` (see ``pyproject.toml``), so that the servers
have it, too.
"""

import os
from pathlib import Path

os.environ["SSL_CERT_FILE"] = str(Path(__file__).with_name("nobody.pem"))
