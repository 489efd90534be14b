"""Users of the token server: the file that htpasswd writes, and how a password is checked."""

import pytest
from passlib.apache import HtpasswdFile  # type: ignore[import-untyped]
from passlib.context import CryptContext  # type: ignore[import-untyped]

from twisted_lb.gateway.users import MOST, Users


def hashed(scheme: str, password: str, rounds: int | None = None) -> str:
    settings = {f"{scheme}__rounds": rounds} if rounds else {}
    return str(CryptContext([scheme], **settings).hash(password))


FILE = (
    f"ann:{hashed('bcrypt', 'anns', 4)}\n"
    "# who left: bob\n"
    f"carl:{hashed('apr_md5_crypt', 'carls')}\n"
    f"dora:{hashed('sha512_crypt', 'döras', 1000)}\n"
    f"émile:{hashed('sha256_crypt', 'émiles', 1000)}\n"
).encode()
USERS = Users(FILE, "users")


@pytest.mark.parametrize(
    ("user", "password"),
    [("ann", "anns"), ("carl", "carls"), ("dora", "döras"), ("émile", "émiles")],
)
def test_a_user_is_known_by_their_password_only(user: str, password: str) -> None:
    assert USERS.check(user, password)
    assert user in USERS
    for wrong in ("", password.upper(), password + " ", "anns" if user != "ann" else "carls"):
        assert not USERS.check(user, wrong)


def test_a_file_that_the_library_wrote_is_read() -> None:
    file = HtpasswdFile(default_scheme="apr_md5_crypt")
    file.set_password("zoe", "zoes")
    assert Users(file.to_string(), "users").check("zoe", "zoes")


@pytest.mark.parametrize("user", ["bob", "", "ANN", "#", "ann:", "# who left"])
def test_nobody_else_is_known_by_any_password(user: str) -> None:
    assert user not in USERS
    assert not any(USERS.check(user, password) for password in ("", "anns", "carls"))


def test_an_unknown_user_takes_the_time_of_a_known_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same work is done: a hash is verified, and its result thrown away."""
    verified: list[str] = []
    monkeypatch.setattr(
        USERS._context, "verify", lambda password, hashed: verified.append(hashed) or True
    )
    assert USERS.check("ann", "x")
    assert not USERS.check("bob", "x")
    assert verified[0] == verified[1]


@pytest.mark.parametrize("password", ["a\0b", "x" * 73, "ä" * 40, "x" * (MOST + 1)])
@pytest.mark.parametrize("user", ["ann", "dora", "nobody"])
def test_a_password_that_no_hash_takes_is_wrong(user: str, password: str) -> None:
    assert not USERS.check(user, password)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("ann:secret", "for ann"),
        ("ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "for ann"),
        ("ann:rqXexS6ZhobKA", "for ann"),
        ("ann:$2y$05$", "for ann"),
        ("ann:$5$x", "for ann"),
        ("zoe:x\nann:y", "for ann, zoe"),
        ("ann", "is not as htpasswd writes it"),
        ("", "there is nobody in it"),
        ("# nobody\n", "there is nobody in it"),
    ],
)
def test_a_file_that_protects_nobody_is_refused(entry: str, told: str) -> None:
    """Plain text, unsalted SHA-1 and DES crypt; and what is broken."""
    with pytest.raises(ValueError, match=f"^users: .*{told}"):
        Users(entry.encode(), "users")


def test_a_file_of_other_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^users: is not as htpasswd writes it"):
        Users(b"\xff\xfe:x", "users")
