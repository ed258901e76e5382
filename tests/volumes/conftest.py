"""What takes a server is slow."""

from pathlib import Path

import pytest

SERVER_TESTS = ("test_server.py", "test_served_names.py", "test_served_folders.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent and item.path.name in SERVER_TESTS:
            item.add_marker(pytest.mark.slow)
