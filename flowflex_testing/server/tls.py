"""A certificate authority for one test: it lives in memory, and vouches for the live face alone."""

import ssl


class Authority:
    """Issues one certificate for the host of a live face.

    Attributes:
        ca_pem: The certificate of the authority, for clients to trust.
        server_context: The context of the server's handshakes.
    """

    def __init__(self, host: str) -> None:
        try:
            import trustme
        except ModuleNotFoundError:
            raise ModuleNotFoundError(
                "tls=True needs pip install 'flowflex-kit[tls]', or give an ssl.SSLContext", name="trustme"
            ) from None
        authority = trustme.CA()
        self.ca_pem: bytes = authority.cert_pem.bytes()
        self.server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(host, "localhost", "127.0.0.1", "::1").configure_cert(self.server_context)
