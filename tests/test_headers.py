"""The content security policy: strict about scripts, exact about websockets, deaf to what clients put into Host."""

import pytest

from loopscope.ui.server.headers import content_security_policy


def rules(host: str = "") -> dict[str, list[str]]:
    parts = (rule.split() for rule in content_security_policy(host).split("; "))
    return {name: sources for name, *sources in parts}


@pytest.mark.parametrize("host", ["studio.local:8501", "127.0.0.1:8501", "[::1]:8501"])
def test_websockets_to_the_page_s_own_host_alone_are_named(host: str) -> None:
    assert rules(host)["connect-src"] == ["'self'", "blob:", f"ws://{host}", f"wss://{host}"]


@pytest.mark.parametrize("host", ["", "*", "a b", "evil; script-src *", "a/b", "x" * 300, "a:123456", "ä.de"])
def test_what_is_no_host_does_not_reach_the_policy(host: str) -> None:
    assert rules(host) == rules()


def test_scripts_come_from_here_or_are_named_by_their_digest() -> None:
    sources = rules()["script-src"]
    assert "'unsafe-inline'" not in sources
    assert any(source.startswith("'sha256-") for source in sources)
    assert not any("*" in source or "http" in source for every in rules().values() for source in every)
