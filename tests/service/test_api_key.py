"""The key by itself."""

from __future__ import annotations

import pytest

from evanalytics.service.api_key import ApiKey


def test_it_opens_with_its_own_header_only() -> None:
    key = ApiKey("abc")

    assert key.opens(b"Bearer abc")
    assert not any(
        key.opens(header) for header in (b"", b"abc", b"Bearer abcd", b"bearer abc", b"Bearer \xff")
    )


@pytest.mark.parametrize("value", [None, ""])
def test_a_setting_that_is_not_there_or_empty_is_no_key(
    value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EVANALYTICS_API_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("EVANALYTICS_API_KEY", value)

    assert ApiKey.from_environment() is None
