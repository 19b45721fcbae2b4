"""The owner of a run: whoever has the secret whose hash lies in the run's folder. No torch.

The name of a run is part of the URL of each of its pictures, so people pass it on. The secret never leaves the browser
that started the run except in that browser's requests. It is needed for all that goes beyond looking at a picture.
"""

import hmac
from hashlib import sha256
from pathlib import Path

# The file in a run's folder that contains the hash of the owner's secret.
OWNER_FILE = "owner"


def set_owner(run: Path, secret: str) -> None:
    """Record the owner of a run that has none; the owner of any other run stays."""
    try:
        with open(run / OWNER_FILE, "x", encoding="ascii") as file:
            file.write(_hash(secret))
    except FileExistsError:
        return


def is_owner(run: Path, secret: str) -> bool:
    """Return whether a secret is that of a run's owner. An empty secret owns nothing.

    Earlier versions recorded no owner. A run of theirs gets the first owner that asks for it by its name.
    """
    if not secret:
        return False
    try:
        if not (run / OWNER_FILE).exists():
            set_owner(run, secret)
        recorded = (run / OWNER_FILE).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return False
    return hmac.compare_digest(recorded, _hash(secret))


def _hash(secret: str) -> str:
    """Return the hash of a secret as hex digits."""
    return sha256(secret.encode()).hexdigest()
