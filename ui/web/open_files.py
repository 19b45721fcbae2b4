"""The number of files and connections that this process may have open."""

try:
    import resource
except ImportError:  # Windows has no such limit.
    resource = None


def raise_open_file_limit() -> None:
    """Raise the limit as far as this process may. Each open page takes connections, and the limit is often 1024."""
    if resource:
        _, allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, allowed))
