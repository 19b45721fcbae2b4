"""The limit of open files."""

import subprocess
import sys

PROGRAM = """
import resource
_, allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (256, allowed))
from ui.web.open_files import raise_open_file_limit
raise_open_file_limit()
assert resource.getrlimit(resource.RLIMIT_NOFILE) == (allowed, allowed)
"""


def test_the_limit_of_open_files_is_raised_as_far_as_allowed():
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)
