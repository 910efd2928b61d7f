# SPDX-License-Identifier: Apache-2.0
"""Real input as a new user has it: an image of Debian's servers (tests/images/make-servers), written by umoci and skopeo,
loaded and run, with clients in other containers on the host's loopback."""

import os
import signal
import socket
import subprocess
import urllib.request
from pathlib import Path

from harness import TOP, check, check_equal, check_in, skip, test

CACHE = Path(os.environ.get("BOTHY_IMAGE_CACHE", "/var/cache/bothy-tests"))


def images(w, form):
    """The folder with the images. Root makes it; a plain user takes what root made."""
    if not w.root:
        found = sorted(CACHE.glob(form + "-*"))
        return found[-1] if found else skip(f"no image in {CACHE}: the tests as root make it")
    try:
        done = w.run([TOP / "tests/images/make-servers", form, CACHE], timeout=600)
    except subprocess.TimeoutExpired:
        skip("no image: the mirror of Debian's packages does not answer in time")
    return Path(done.out.strip()) if done.code == 0 else skip(f"no image: {done.err.strip()}")


def load(w, path, name):
    """Load what is at @path, which must be called @name afterwards; returns @name."""
    done = w.bothy("load", path, timeout=300)
    check_equal((done.code, done.out), (0, f"Loaded image: {name}\n"), f"load {path}: {done!r}")
    return name


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def answers(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def run(w, *args, **kwargs):
    return w.bothy("run", "--rm", "--network", "host", *args, **kwargs)


def server(w, port, *args):
    """`bothy run` in the foreground, waited for until it answers."""
    log = open(w.tmp / f"server-{port}", "wb")  # pylint: disable=consider-using-with  # the child's
    child = w.spawn([w.bin / "bothy", "--root", w.tmp / "lib", "--state", w.tmp / "run/bothy", "run", "--rm", "--network", "host", *args],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def ready():
        check(child.poll() is None, f"ended with {child.returncode}: {(w.tmp / f'server-{port}').read_text(errors='replace')[-2000:]}")
        return answers(port)
    w.wait_for(ready, f"port {port} to answer", 120)
    return child


def stop(child, sig, code=0):
    child.send_signal(sig)
    check_equal(child.wait(90), code, "exit code of the server")


def redis_and_python(w, image):
    port = free_port()
    redis = server(w, port, image, "redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "")
    check_equal(run(w, image, "redis-cli", "-p", str(port), "set", "key", "value").out, "OK\n")
    check_equal(run(w, image, "redis-cli", "-p", str(port), "get", "key").out, "value\n")
    script = f"import socket; s = socket.create_connection(('127.0.0.1', {port})); s.send(b'PING\\r\\n'); print(s.recv(9))"
    check_equal(run(w, image, "python3", "-c", script).out, "b'+PONG\\r\\n'\n")
    stop(redis, signal.SIGTERM)
    # shared memory, semaphores, threads and a subprocess
    script = "import multiprocessing as m, subprocess, os; print(sum(m.Pool(2).map(abs, [-1, 2])), subprocess.run(['id', '-u'], capture_output=True).stdout, os.getpid())"
    done = run(w, image, "python3", "-c", script)
    check_equal((done.code, done.out), (0, "3 b'0\\n' 1\n"), repr(done))
    check_equal(run(w, image, "python3", "-c", "import sys; sys.exit(9)").code, 9)


@test
def redis_and_python_of_debian(w):
    folder = images(w, "short")
    # A layout's name is that of its folder where the reference in it is a tag alone (docs/store.md).
    forms = {"oci.tar": "localhost/servers:oci", "layout": "layout:servers"}
    path, name = next((folder / path, name) for path, name in forms.items() if (folder / path).exists())
    redis_and_python(w, load(w, path, name))
    if (folder / "docker.tar").exists():
        image = load(w, folder / "docker.tar", "localhost/servers:docker")
        check_equal(run(w, image, "redis-cli", "--version").code, 0)
    check_equal(w.bothy("rmi", name).code, 0)


@test(long=True)
def all_servers_of_debian(w):
    folder = images(w, "long")
    if not (folder / "docker.tar").exists():
        skip("skopeo is not installed")
    image = load(w, folder / "docker.tar", "localhost/servers:docker")
    redis_and_python(w, image)

    port = free_port()
    conf = f"sed -i 's/80 default_server/{port} default_server/' /etc/nginx/sites-enabled/default && exec nginx -g 'daemon off;'"
    nginx = server(w, port, image, "sh", "-c", conf)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as page:
        check_in(b"Welcome to nginx", page.read())
    stop(nginx, signal.SIGQUIT)

    port = free_port()
    init = "export PATH=$PATH:$(echo /usr/lib/postgresql/*/bin) && initdb -A trust -D /tmp/db >/dev/null && " \
           f"exec postgres -D /tmp/db -k /tmp -p {port} -c listen_addresses=127.0.0.1"
    postgres = server(w, port, "-u", "postgres", "--shm-size", "128m", image, "sh", "-c", init)
    query = ["-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "-Atc"]
    w.wait_for(lambda: run(w, image, "psql", *query, "select 1").out == "1\n", "the database", 90)
    run(w, image, "psql", *query, "create table t as select generate_series(1, 1000) as n")
    check_equal(run(w, image, "psql", *query, "select sum(n) from t").out, "500500\n")
    stop(postgres, signal.SIGINT)

    # Debian's own way: the cluster that the package made, started by root, run as postgres
    port = free_port()
    script = f"pg_conftool $(ls /etc/postgresql) main set port {port} && service postgresql start && " \
             f"su postgres -c \"psql -p {port} -Atc 'select 6 * 7'\"; service postgresql stop"
    check_in("\n42\n", run(w, image, "sh", "-c", script, timeout=120).out)
