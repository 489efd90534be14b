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
SEVERAL = {"old": hashed("apr_md5_crypt", "olds"), "dan": hashed("bcrypt", "dans", 5)}
SEVERAL |= {user: hashed("bcrypt", user, 4) for user in ("ann", "eve")}


def users_of(hashes: dict[str, str]) -> Users:
    return Users("".join(f"{user}:{made}\n" for user, made in hashes.items()).encode(), "users")


MANY = users_of(SEVERAL)


def verified(monkeypatch: pytest.MonkeyPatch, users: Users) -> list[str]:
    """The hashes that passwords are compared with from now on; each fits."""
    seen: list[str] = []
    monkeypatch.setattr(users._context, "verify", lambda _, hashed: seen.append(hashed) or True)
    return seen


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
    users = Users(f"ann:{hashed('bcrypt', 'anns', 4)}\n".encode(), "users")
    seen = verified(monkeypatch, users)
    assert users.check("ann", "x")
    assert not users.check("bob", "x")
    assert seen[0] == seen[1]


def test_among_hashes_of_several_kinds_nobody_has_always_the_same_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each as often as users have it: neither a time nor a change of it tells who is a user."""
    seen = verified(monkeypatch, MANY)
    names = [f"nobody{number}" for number in range(400)]
    for name in names * 2:
        assert not MANY.check(name, "x")
    assert seen[:400] == seen[400:]
    assert 50 < sum(hashed.startswith("$apr1$") for hashed in seen[:400]) < 150
    assert {hashed[:7] for hashed in seen} == {"$2b$04$", "$2b$05$", SEVERAL["old"][:7]}


def test_a_user_who_is_new_or_gone_moves_few_names_to_another_kind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A user's time stays what it is: names whose time changed would be nobody's. A sixth moves
    when every second user of a kind of half is gone; two thirds would if it were drawn anew."""
    fewer = users_of({name: made for name, made in SEVERAL.items() if name != "eve"})
    before, after = verified(monkeypatch, MANY), verified(monkeypatch, fewer)
    for number in range(400):
        MANY.check(f"nobody{number}", "x")
        fewer.check(f"nobody{number}", "x")
    assert sum(one != other for one, other in zip(before, after, strict=True)) < 120


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
