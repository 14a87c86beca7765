"""The socket that the chat listens on, taken before any work goes into a model."""

import errno
import socket

from chat.errors import SettingsError


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that listens on `host` and `port`, before any work goes into a model.

    Whoever connects while the model is being loaded waits instead of being turned away.

    Raises:
        SettingsError: the port is in use, or the address isn't one of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named TCP, because asyncio sends at once (TCP_NODELAY) only on sockets that say they are.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise SettingsError(explain_bind(error, host, port)) from error
    return listener


def explain_bind(error: OSError, host: str, port: int) -> str:
    """Return why nothing can listen on `host` and `port`, and what to do."""
    is_name = isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL
    if is_name:
        return (
            f"The host {host!r} isn't an address of this machine ({error.strerror}); allowed are "
            "127.0.0.1 for this machine alone, 0.0.0.0 for every network, or one of its addresses: "
            "see --host or PALAVER_HOST."
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            f"This account may not listen on port {port} ({error.strerror}); choose one from 1024 "
            "up with --port or PALAVER_PORT."
        )
    return (
        f"The address {host}:{port} can't be used ({error.strerror}); stop what uses it, or choose "
        "another with --port or PALAVER_PORT."
    )
