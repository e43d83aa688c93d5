"""The faces of the fake that have sockets: live servers of its own, and the mount on a pytest-httpserver."""
