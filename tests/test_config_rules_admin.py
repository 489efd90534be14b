"""An admin endpoint that anybody could reach, or that cannot be, is told."""

import pytest

from tests.configs import BACKEND, FRONTEND, wrong

BASE = BACKEND + FRONTEND


@pytest.mark.parametrize("listen", ["127.0.0.1:8404", "[::1]:8404", "127.0.0.9:1"])
def test_on_loopback_nobody_needs_a_token(listen: str) -> None:
    assert wrong(BASE + f'[admin]\nlisten = "{listen}"') == {}


@pytest.mark.parametrize("listen", ["*:8404", "10.0.0.1:8404", "localhost:8404"])
def test_elsewhere_everybody_shows_one(listen: str) -> None:
    text = BASE + f'[admin]\nlisten = "{listen}"'
    if "localhost" in listen:
        assert set(wrong(text)) == {"admin.listen"}
        return
    messages = wrong(text)
    assert list(messages) == ["admin.token_file"]
    assert "can be reached from elsewhere, so who may ask?" in messages["admin.token_file"]
    assert wrong(text + '\ntoken_file = "/etc/token"') == {}


@pytest.mark.parametrize(
    ("path", "why"),
    [("/run/" + "x" * 103, "is longer than the 107 bytes"), ("admin.sock", "wants a whole path")],
)
def test_a_socket_needs_a_path_that_the_kernel_takes(path: str, why: str) -> None:
    [(key, message)] = wrong(BASE + f'[admin]\nsocket = "{path}"').items()
    assert key == "admin.socket"
    assert why in message


@pytest.mark.parametrize("key", ['token_file = "/etc/token"', 'allow = "act"'])
def test_what_is_for_tcp_needs_tcp(key: str) -> None:
    [(_, message)] = wrong(BASE + f'[admin]\nsocket = "/run/a"\n{key}').items()
    assert "it is read only with `listen`" in message
