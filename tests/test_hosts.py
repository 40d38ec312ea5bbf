"""Host names and addresses: loopback."""

import pytest

from service.hosts import Proxies, counted_as, is_loopback, read_address, split_authority


@pytest.mark.parametrize(
    ("host", "answer"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True), ("localhost", True), ("LOCALHOST", True),
     ("localhost.", True), ("127.0.0.1.", True), ("[::ffff:127.0.0.1]", True), ("0:0:0:0:0:0:0:1", True),
     ("::ffff:8.8.8.8", False), ("localhost..", False),
     ("0.0.0.0", False), ("192.168.1.2", False), ("localhost.example.com", False), ("", False)],
)  # fmt: skip
def test_loopback_is_what_reaches_this_machine_only(host: str, answer: bool) -> None:
    assert is_loopback(host) is answer


@pytest.mark.parametrize(
    ("authority", "host", "port"),
    [
        ("Easel.Example.COM.:8866", "easel.example.com", "8866"),
        ("easel.example.com:443", "easel.example.com", ""),
        ("easel.example.com:", "easel.example.com", ""),
        ("[0:0::1]:80", "::1", ""),
        ("[::ffff:10.0.0.1]", "10.0.0.1", ""),
        ("bücher.example", "xn--bcher-kva.example", ""),
    ],
)
def test_a_host_has_one_form(authority: str, host: str, port: str) -> None:
    assert split_authority(authority) == (host, port)


@pytest.mark.parametrize("authority", ["", ":80", "user@host", "host/path", "a b", "a, b", "[::1", "::1", "host:port"])
def test_other_texts_are_no_host(authority: str) -> None:
    """RFC 3986, 3.2. Attack: a text that one program reads as our name, and another as a foreign one."""
    assert split_authority(authority) is None


PROXY = "http://proxy:3128"


@pytest.mark.parametrize(
    ("host", "port", "exceptions", "direct"),
    [
        pytest.param("api.openai.com", 443, (), False, id="any host"),
        pytest.param("localhost", 443, (), True, id="this machine, by name"),
        pytest.param("127.0.0.1", 8000, (), True, id="this machine, by address"),
        pytest.param("::1", 8000, (), True, id="this machine, IPv6"),
        pytest.param("api.openai.com", 443, ("openai.com",), True, id="a name covers those below it"),
        pytest.param("api.openai.com", 443, (".openai.com",), True, id="with a dot before it"),
        pytest.param("api.openai.com", 443, ("*.openai.com",), True, id="with a star before it"),
        pytest.param("API.OpenAI.com.", 443, ("api.openai.com",), True, id="capitals and a dot at the end"),
        pytest.param("notopenai.com", 443, ("openai.com",), False, id="an ending is no name below"),
        pytest.param("api.openai.com", 443, ("openai.com:443",), True, id="the port"),
        pytest.param("api.openai.com", 443, ("openai.com:80",), False, id="another port"),
        pytest.param("10.1.2.3", 8000, ("10.0.0.0/8",), True, id="a network"),
        pytest.param("11.1.2.3", 8000, ("10.0.0.0/8",), False, id="outside of the network"),
        pytest.param("10.1.2.3", 8000, ("10.1.2.3",), True, id="an address"),
        pytest.param("2001:db8::7", 443, ("2001:db8::/32",), True, id="a network of IPv6"),
        pytest.param("2001:db8::7", 443, ("[2001:db8::7]:443",), True, id="an address of IPv6 with a port"),
        pytest.param("api.openai.com", 443, ("*",), True, id="every host"),
        pytest.param("api.openai.com", 443, ("10.0.0.0/8", "example.com"), False, id="others"),
    ],
)
def test_a_host_goes_by_way_of_the_proxy_unless_it_is_an_exception(
    host: str, port: int, exceptions: tuple[str, ...], *, direct: bool
) -> None:
    """Ours: as curl and Go read NO_PROXY, which others on the same machine rely on."""
    proxies = Proxies(http=PROXY, https=PROXY, exceptions=exceptions)
    assert proxies.for_host("https", host, port) == ("" if direct else PROXY)


def test_each_scheme_has_its_own() -> None:
    proxies = Proxies(https=PROXY)
    assert proxies.for_host("https", "example.com", 443) == PROXY
    assert proxies.for_host("http", "example.com", 80) == ""


def test_the_passwords_are_secrets() -> None:
    """Ours: no log may hold them, and no text of the settings."""
    proxies = Proxies(http="http://anna:s3cr3t@proxy:3128", https=PROXY)
    assert proxies.secrets == ["s3cr3t"]
    assert "s3cr3t" not in repr(proxies)


def test_a_customer_of_ipv6_is_one_address_and_a_mapped_one_is_that_of_ipv4() -> None:
    """Ours: a customer has 2^64 addresses, and a socket for both families shows those of IPv4 as mapped."""
    assert counted_as(read_address("2001:db8:1:2:3:4:5:6")) == counted_as(read_address("2001:db8:1:2:ffff::1"))
    assert counted_as(read_address("2001:db8:1:2::1")) != counted_as(read_address("2001:db8:1:3::1"))
    assert counted_as(read_address("::ffff:203.0.113.7")) == "203.0.113.7"
