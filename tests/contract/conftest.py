"""Lets plain asserts in the suites explain themselves when they fail."""

import pytest

for suite in (
    "queue_suite",
    "queue_records_suite",
    "queue_model",
    "thread_map_suite",
    "secret_source_suite",
    "object_store_suite",
    "archive_store_suite",
    "scanner_suite",
):
    pytest.register_assert_rewrite(f"tests.contract.{suite}")
