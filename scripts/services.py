"""PostgreSQL and Redis for the tests: found or installed, started on free ports of loopback, stopped by their ids.

The tests learn of them by `TEST_DATABASE_URL` and `TEST_REDIS_URL`; those that stop and start servers of their own, by
`TEST_POSTGRES_BIN` (a folder) and `TEST_REDIS_SERVER` (a file). What cannot be had is left out, and why is told.
"""

import contextlib
import dataclasses
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from install import LOCAL, from_system, quietly

PACKAGES = {
    "redis-server": ["redis-server", "redis-tools", "libjemalloc2", "liblzf1", "libatomic1"],
}
PATIENCE = 60


@dataclasses.dataclass
class Services:
    """What the tests are told, and why something is missing, by name."""

    environment: dict
    missing: dict


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def unpacked(packages):
    """Packages of the system, unpacked without installing them. The folder, or None."""
    folder = LOCAL / "debian"
    if (folder / ".done").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    if quietly(["apt-get", "download", *packages], cwd=folder):
        return None
    for package in folder.glob("*.deb"):
        if quietly(["dpkg", "-x", package.name, "."], cwd=folder):
            return None
    (folder / ".done").touch()
    return folder


def postgres_folder():
    """Where PostgreSQL's programs are: (folder, None) or (None, why not)."""
    def found():
        versions = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
        if versions:
            return versions[0].parent
        initdb = shutil.which("initdb")
        return pathlib.Path(initdb).resolve().parent if initdb else None

    if found():
        return found(), None
    why = from_system("postgresql")
    return (found(), None) if not why and found() else (None, f"there is no PostgreSQL, {why}")


def redis_server():
    """Redis's (or Valkey's) server: (file, libraries, None) or (None, None, why not)."""
    for name in ("redis-server", "valkey-server"):
        if shutil.which(name):
            return shutil.which(name), None, None
    folder = unpacked(PACKAGES["redis-server"])
    if folder and (folder / "usr/bin/redis-server").exists():
        return str(folder / "usr/bin/redis-server"), str(next(folder.glob("usr/lib/*-linux-*"), folder)), None
    why = from_system("redis-server")
    return (shutil.which("redis-server"), None, None) if shutil.which("redis-server") else (None, None, f"there is no Redis, {why}")


def ordinary_user():
    """PostgreSQL refuses to run as root: somebody else, or None where we are somebody else already."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    return None


def answers(port, process):
    """Whether something listens there before patience ends."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        time.sleep(0.05)
    return False


def start_postgres(folder, home, more=()):
    """A server with an empty database: (process, address)."""
    user = ordinary_user()
    identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
    if user:
        os.chown(home, user.pw_uid, user.pw_gid)
    why = quietly([str(folder / "initdb"), "-D", f"{home}/db", "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8"], cwd=home, **identity)
    if why:
        raise OSError(why)
    port = free_port()
    options = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={home}", "-c", "max_connections=300", "-c", "fsync=off", *more]
    with open(os.path.join(home, "log"), "ab") as log:
        process = subprocess.Popen([str(folder / "postgres"), "-D", f"{home}/db", "-p", str(port), *options],
                                   stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=home, **identity)
    if not answers(port, process):
        raise OSError("PostgreSQL does not answer")
    return process, f"postgresql://postgres@127.0.0.1:{port}/postgres"


def start_redis(server, libraries, home):
    """A server that keeps nothing: (process, address)."""
    port = free_port()
    environment = os.environ | ({"LD_LIBRARY_PATH": libraries} if libraries else {})
    command = [server, "--port", str(port), "--bind", "127.0.0.1", "--dir", home, "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=environment)
    if not answers(port, process):
        raise OSError("Redis does not answer")
    return process, f"redis://127.0.0.1:{port}"


@contextlib.contextmanager
def running():
    """The services, for as long as the tests run."""
    services, processes = Services({}, {}), []
    with tempfile.TemporaryDirectory(prefix="switchboard-test-", ignore_cleanup_errors=True) as home:
        os.chmod(home, 0o755)
        try:
            _postgres(services, processes, home)
            _redis(services, processes, home)
            yield services
        finally:
            for process in processes:
                # PostgreSQL: SIGINT is the quick way to stop in good order.
                process.send_signal(signal.SIGINT)
            for process in processes:
                process.wait()


def _postgres(services, processes, home):
    folder, why = postgres_folder()
    if folder:
        try:
            place = os.path.join(home, "postgres")
            os.mkdir(place)
            process, address = start_postgres(folder, place)
            processes.append(process)
            services.environment |= {"TEST_DATABASE_URL": address, "TEST_POSTGRES_BIN": str(folder)}
        except OSError as error:
            why = str(error)
    if why:
        services.missing["PostgreSQL"] = why


def _redis(services, processes, home):
    server, libraries, why = redis_server()
    if server:
        try:
            process, address = start_redis(server, libraries, home)
            processes.append(process)
            services.environment |= {"TEST_REDIS_URL": address, "TEST_REDIS_SERVER": server}
            if libraries:
                services.environment["TEST_REDIS_LIBRARIES"] = libraries
        except OSError as error:
            why = str(error)
    if why:
        services.missing["Redis"] = why
