"""A configuration is loaded whole, or refused with everything that is wrong with it."""

from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from tests.configs import BACKEND, FRONTEND, problems
from twisted_lb.config.addresses import LISTEN
from twisted_lb.config.load import load, load_as
from twisted_lb.config.meaning import Complaint, Meaning
from twisted_lb.config.settings import Log, RoleRule, Settings, SniRoute
from twisted_lb.config.tables import table_of
from twisted_lb.config.values import whole
from twisted_lb.errors import ConfigurationError
from twisted_lb.terms import Address

EXAMPLES = Path(__file__).parent.parent / "examples"


def example(name: str) -> Settings:
    return load((EXAMPLES / name).read_text(), name)


def test_the_ftp_farm() -> None:
    settings = example("ftp-farm.toml")
    (frontend,) = settings.frontends
    assert frontend.listen == (Address("*", 21),)
    assert (frontend.group, frontend.role, frontend.timeout.idle) == ("ftp", "control", 900.0)
    assert frontend.ftp.passive_ports == (40000, 40999)
    assert frontend.ftp.advertise == {"default": "203.0.113.7", "10.0.0.0/8": "10.0.0.5"}
    assert list(settings.groups["ftp"].roles) == ["control", "data"]
    servers = settings.backends["ftp-servers"].servers
    assert [(s.name, s.weight, s.maxconn) for s in servers] == [
        ("a", 100, None),
        ("b", 100, None),
        ("c", 50, 500),
    ]


def test_the_opaque_gateway() -> None:
    settings = example("opaque-gateway.toml")
    group = settings.groups["proxy-ftp"]
    assert group.roles == {
        "control": RoleRule(principal=True),
        "data": RoleRule(server_port=(32000, 32099)),
        "notification": RoleRule(),
    }
    assert [(f.role, len(f.listen)) for f in settings.frontends if f.group == group.name] == [
        ("control", 1),
        ("data", 100),
        ("notification", 1),
    ]
    assert settings.groups["terminals"].idle is None
    assert settings.limits.drain == 300.0


def test_routes_by_name() -> None:
    settings = example("sni.toml")
    (frontend,) = settings.frontends
    assert frontend.group == ""
    assert frontend.routes == (
        SniRoute("tls/web", ("www.example.com",)),
        SniRoute("tls/mail", ("*.mail.example.com", "mail.example.com"), ("imap", "smtp")),
        SniRoute("apps", ("*.apps.example.com",)),
    )
    assert settings.groups["tls/web"].roles == {"any": RoleRule(server_port=443)}


@pytest.mark.parametrize(
    ("text", "line"), [("a = 1\nb =\n", 2), ('a = 1\nb = """', 2), ("a = 1\na = 2\n", 2)]
)
def test_what_is_not_toml_is_told_with_its_line(text: str, line: int) -> None:
    (problem,) = problems(text)
    assert (problem.path, problem.line) == ("", line)
    assert problem.message.startswith("is not TOML: ")


def test_a_number_of_a_thousand_digits_is_refused() -> None:
    (problem,) = problems("a = " + "9" * 5000)
    assert problem.message.startswith("is not TOML: ")


def test_nesting_without_end_is_refused() -> None:
    (problem,) = problems("a = " + "[" * 100_000)
    assert problem.message == "is nested too deeply"


def test_the_error_names_file_line_path_and_what_to_do() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(BACKEND + FRONTEND + "maxcon = 5", "/etc/lb.toml")
    assert str(caught.value) == (
        "/etc/lb.toml:10: frontend[web].maxcon: is not a key of [[frontend]]: "
        'did you mean "maxconn"?'
    )


def test_what_the_caller_finds_is_told_with_all_the_rest() -> None:
    """In the order of lines; what follows from a value that could not be read is not told."""

    def look(meaning: Meaning) -> Iterator[Complaint]:
        for index, frontend in enumerate(meaning.document.frontends):
            yield Complaint(("frontend", index, "listen"), f"{frontend.name} is elsewhere")
            yield Complaint(("frontend", index, "maxconn"), "follows from a typo")

    with pytest.raises(ConfigurationError) as caught:
        load(FRONTEND + "maxconn = 0\n" + BACKEND + "balanc = 1\n", "lb.toml", looks=(look,))
    assert [(one.line, one.path) for one in caught.value.problems] == [
        (4, "frontend[web].listen"),
        (6, "frontend[web].maxconn"),
        (11, "backend[pool].balanc"),
    ]
    assert "wants a whole number" in caught.value.problems[1].message


# -- another program's file ------------------------------------------------------------------------


@attrs.frozen
class Lamp:
    name: str
    watts: int = 40


@attrs.frozen
class House:
    listen: tuple[Address, ...]
    lamps: tuple[Lamp, ...] = ()
    log: Log = attrs.field(factory=Log)


HOUSE = table_of(House, {(House, "listen"): LISTEN, (Lamp, "watts"): whole(1, 100, 40)})


def dark(house: House) -> Iterator[Complaint]:
    for index, lamp in enumerate(house.lamps):
        if lamp.watts < 10:
            yield Complaint(("lamp", index, "watts"), "is dark")


def test_another_program_has_tables_of_its_own() -> None:
    """And shares the balancer's where it has the same."""
    text = 'listen = "*:80"\nlog.access = "off"\n[[lamp]]\nname = "hall"\n'
    house = House((Address("*", 80),), (Lamp("hall"),), Log("off"))
    assert load_as(HOUSE, text, "house.toml", dark) == house


def test_everything_that_is_wrong_with_it_is_told_at_once() -> None:
    text = '[[lamp]]\nname = "a"\nwats = 3\n[[lamp]]\nname = "b"\nwatts = 0\n[[lamp]]\nname = "c"\n'
    with pytest.raises(ConfigurationError) as caught:
        load_as(HOUSE, text + "watts = 3\n", "house.toml", dark)
    assert str(caught.value).splitlines() == [
        "house.toml: listen: is missing: the top needs it",
        'house.toml:3: lamp[a].wats: is not a key of [[lamp]]: did you mean "watts"?',
        "house.toml:6: lamp[b].watts: wants a whole number from 1 to 100, as 40; got the number 0",
        "house.toml:9: lamp[c].watts: is dark",
    ]
