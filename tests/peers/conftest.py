"""What the tests of the HTTP peers share."""

from __future__ import annotations

import pytest

from tests.peers.managed_identity import Issuer
from tests.peers.tls import Certificate, make_certificate


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    return Issuer()
