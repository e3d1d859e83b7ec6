"""What `hesper run` tells each server, seen from outside."""

from __future__ import annotations

import datetime
import ipaddress
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.cli.calling import invoke, piped
from tests.servers.processes import PATIENCE, free_port

Write = Callable[[str, str], None]

HOST = "127.0.0.1"
SERVERS = ["uvicorn", "granian", "hypercorn"]

APP = """
import os
from hesper import Hesper, Request, get

@get("/")
async def index(request: Request) -> list[object]:
    client = request.client and request.client.host
    return [client or None, request.scope["scheme"], os.getpid()]

async def say_goodbye() -> None:
    print("goodbye", flush=True)

app = Hesper([index], on_shutdown=[say_goodbye])
"""

FAILING = """
from hesper import Hesper

async def connect() -> None:
    raise ConnectionError("no database")

app = Hesper(on_startup=[connect])
"""


class Running:
    """`hesper run` in a process of its own."""

    def __init__(
        self, process: subprocess.Popen[str], address: str | int, trusted: str | None
    ) -> None:
        self.process = process
        self.address = address
        self.verified = ssl.create_default_context(cafile=trusted)
        self.scheme = "http" if trusted is None else "https"
        self.output = ""

    def ask(self, **headers: str) -> list[object]:
        """Return what the app answers, as soon as it is served."""
        self.wait_until(lambda: connects(self.address))
        path = self.address if isinstance(self.address, str) else None
        transport = httpx2.HTTPTransport(verify=self.verified, uds=path)
        url = f"{self.scheme}://{HOST}:{self.address}" if path is None else "http://app"
        # A connection of its own, which is closed: one that is open keeps a server from ending.
        with httpx2.Client(transport=transport, timeout=PATIENCE) as client:
            answer: list[object] = client.get(url, headers=headers).json()
            return answer

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until *condition* holds."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise AssertionError(f"it was waited for in vain:\n{self.process.communicate()[0]}")
            time.sleep(0.02)

    def stop(self) -> int:
        """Stop it, and return its status."""
        self.process.send_signal(signal.SIGTERM)
        self.output = self.process.communicate(timeout=PATIENCE)[0]
        return self.process.returncode


def connects(address: str | int) -> bool:
    """Whether somebody listens at a path, or at a port."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as attempt:
        return attempt.connect_ex(address if isinstance(address, str) else (HOST, address)) == 0


@contextmanager
def running(
    *arguments: str,
    address: str | int,
    fd: int = 0,
    trusted: str | None = None,
) -> Iterator[Running]:
    """Serve the app of the current directory for the time of a block.

    Args:
        arguments: Those of `hesper run`.
        address: The path, or the port, where it listens.
        fd: What the process inherits.
        trusted: The certificate, if it is served with TLS.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "hesper", "run", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        pass_fds=(fd,),
        start_new_session=True,
    ) as process:
        try:
            yield Running(process, address, trusted)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("server", SERVERS)
def test_the_app_is_served_on_a_unix_domain_socket(write: Write, server: str) -> None:
    write("main.py", APP)
    with running("--server", server, "--uds", "app.sock", address="app.sock") as served:
        assert served.ask()[:2] == [None, "http"]
        assert served.stop() == 0
    assert served.output.startswith(f"Serving main:app on unix:app.sock with {server}\n")
    assert "goodbye" in served.output
    assert not Path("app.sock").exists()


@pytest.mark.parametrize("server", ["uvicorn", "hypercorn"])
def test_the_app_is_served_on_an_open_file_descriptor(write: Write, server: str) -> None:
    write("main.py", APP)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port, fd = listening.getsockname()[1], listening.fileno()
        with running("--server", server, "--fd", str(fd), address=port, fd=fd) as served:
            assert served.ask()[:2] == ["127.0.0.1", "http"]
            assert served.stop() == 0
        assert served.output.startswith(f"Serving main:app on file descriptor {fd} with {server}\n")


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str]:
    """Return the paths of a certificate for this machine, and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    today = datetime.datetime.now(datetime.UTC)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(alternative, critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate, key_file = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return str(certificate), str(key_file)


@pytest.mark.parametrize("server", SERVERS)
def test_the_app_is_served_with_tls(
    write: Write, certificate: tuple[str, str], server: str
) -> None:
    write("main.py", APP)
    files = ("--ssl-certfile", certificate[0], "--ssl-keyfile", certificate[1])
    port = free_port()
    arguments = ("--server", server, "--port", str(port), *files)
    with running(*arguments, address=port, trusted=certificate[0]) as served:
        assert served.ask()[:2] == ["127.0.0.1", "https"]
        assert served.stop() == 0
    assert served.output.startswith(f"Serving main:app on https://{HOST}:{port} with {server}\n")


@pytest.mark.parametrize("server", ["uvicorn", "granian"])
def test_several_processes_serve_the_app(write: Write, server: str) -> None:
    write("main.py", APP)
    port = free_port()
    arguments = ("--server", server, "--port", str(port), "--workers", "2")
    with running(*arguments, address=port) as served:
        workers: set[object] = set()

        def both_have_answered() -> bool:
            workers.add(served.ask()[2])
            return len(workers) == 2

        served.wait_until(both_have_answered)
        assert served.stop() == 0
    assert re.search(rf" with {server}, 2 workers\n", served.output)
    assert served.output.count("goodbye") == 2


@pytest.mark.parametrize("server", ["uvicorn", "granian"])
def test_a_start_that_fails_in_every_worker_ends_them_with_a_status(
    write: Write, server: str
) -> None:
    write("main.py", FAILING)
    result = piped("run", "--server", server, "--port", str(free_port()), "--workers", "2")
    assert result.returncode > 0
    assert "no database" in result.stdout + result.stderr


@pytest.mark.parametrize(
    "arguments",
    [["--workers", "2"], ["--reload"], ["--server", "granian"], ["--server", "hypercorn"]],
    ids=" ".join,
)
def test_processes_look_for_the_app_in_the_same_directory(
    write: Write, arguments: list[str]
) -> None:
    write("main.py", FAILING)
    write("src/main.py", APP)
    port = free_port()
    with running("--app-dir", "src", *arguments, "--port", str(port), address=port) as served:
        assert served.ask()[1] == "http"


@pytest.mark.parametrize("server", ["uvicorn", "granian"])
def test_every_process_makes_an_app_of_its_own(write: Write, server: str) -> None:
    write("main.py", APP.replace("app = Hesper", "def create_app() -> Hesper: return Hesper"))
    port = free_port()
    arguments = ("--server", server, "--port", str(port), "--workers", "2")
    with running(*arguments, address=port) as served:
        assert served.ask()[1] == "http"


FORWARDED = {"x-forwarded-for": "1.2.3.4", "x-forwarded-proto": "https"}


@pytest.mark.parametrize("server", ["uvicorn", "granian"])
@pytest.mark.parametrize(
    ("arguments", "client", "scheme"),
    [
        ([], "127.0.0.1", "http"),
        (["--proxy-headers"], "1.2.3.4", "https"),
        (["--forwarded-allow-ips", "127.0.0.1"], "1.2.3.4", "https"),
        (["--forwarded-allow-ips", "9.9.9.9"], "127.0.0.1", "http"),
        (["--proxy-headers", "--forwarded-allow-ips", "9.9.9.9"], "127.0.0.1", "http"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_a_proxy_says_is_believed_only_where_it_is_trusted(
    write: Write, server: str, arguments: list[str], client: str, scheme: str
) -> None:
    write("main.py", APP)
    port = free_port()
    with running("--server", server, "--port", str(port), *arguments, address=port) as served:
        assert served.ask(**FORWARDED)[:2] == [client, scheme]


@pytest.mark.parametrize("server", ["uvicorn", "granian"])
def test_a_proxy_at_a_unix_domain_socket_is_on_this_machine(write: Write, server: str) -> None:
    write("main.py", APP)
    arguments = ("--server", server, "--uds", "app.sock", "--proxy-headers")
    with running(*arguments, address="app.sock") as served:
        assert served.ask(**FORWARDED)[:2] == ["1.2.3.4", "https"]


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        (["--reload", "--workers", "2"], "--reload and --workers exclude each other."),
        (["--uds", "x", "--fd", "3"], "--uds and --fd exclude each other."),
        (["--uds", "nowhere/x"], "There is no directory 'nowhere' for the socket."),
        (["--uds", "main.py"], "'main.py' is there already, and is no socket."),
        (["--fd", "4321"], "The file descriptor 4321 is not open."),
        (["--ssl-keyfile", "main.py"], "--ssl-certfile and --ssl-keyfile go together."),
        (["--ssl-certfile", "main.py"], "--ssl-certfile and --ssl-keyfile go together."),
        (["--server", "granian", "--fd", "3"], "granian takes no --fd here"),
        (["--server", "hypercorn", "--reload"], "hypercorn takes no --reload here"),
        (["--server", "hypercorn", "--workers", "2"], "hypercorn takes no --workers here"),
        (["--server", "hypercorn", "--proxy-headers"], "hypercorn takes no --proxy-headers here"),
        (["--server", "hypercorn", "--forwarded-allow-ips", "*"], "takes no --proxy-headers here"),
        (["--ssl-certfile", "nowhere"], "File 'nowhere' does not exist"),
        (["--workers", "0"], "0 is not in the range x>=1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_does_not_go_together_is_refused(
    write: Write, arguments: list[str], refusal: str
) -> None:
    write("main.py", APP)
    result = invoke("run", *arguments)
    assert result.exit_code == 2
    assert refusal in result.stderr
    assert "Serving" not in result.stdout
    assert Path("main.py").exists()
