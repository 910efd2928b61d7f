# SPDX-License-Identifier: Apache-2.0
"""`bothy run -t`: a terminal that behaves, and is left as it was on every way out."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

from harness import check_equal, check_in, test


class Terminal:
    """bothy on a pty of ours, as a user's terminal would hold it."""

    def __init__(self, w, *args, rows=30, columns=90):
        self.w = w
        self.master, self.slave = pty.openpty()
        self.resize(rows, columns, tell=False)
        self.before = termios.tcgetattr(self.slave)
        command = [w.bin / "bothy", "--root", w.tmp / "lib", "--state", w.tmp / "run/bothy", "run", *args]

        def session():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        # pylint: disable-next=subprocess-popen-preexec-fn
        self.child = w.spawn(command, stdin=self.slave, stdout=self.slave, stderr=self.slave, preexec_fn=session)
        self.seen = ""

    def resize(self, rows, columns, tell=True):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if tell:
            self.child.send_signal(signal.SIGWINCH)

    def read(self, until, seconds=60):
        """What came up to the pattern @until, which is taken out."""
        os.set_blocking(self.master, False)
        deadline = time.monotonic() + seconds
        while True:
            found = re.search(until, self.seen)
            if found:
                text, self.seen = self.seen[:found.end()], self.seen[found.end():]
                return text
            if time.monotonic() > deadline:
                raise AssertionError(f"no {until!r} in {self.seen[-400:]!r}")
            try:
                self.seen += os.read(self.master, 65536).decode(errors="replace")
            except (BlockingIOError, OSError):
                time.sleep(0.02)

    def type(self, text):
        os.write(self.master, text.encode())

    def is_raw(self):
        return not termios.tcgetattr(self.slave)[3] & termios.ICANON

    def wait_raw(self):
        """Until bothy has taken the terminal over: what is typed before may be lost, as with any program."""
        self.w.wait_for(self.is_raw, "the terminal to be raw")

    def end(self, want=None):
        code = self.child.wait(60)
        if want is not None:
            check_equal(code, want, "exit status")
        check_equal(termios.tcgetattr(self.slave), self.before, "the terminal's settings afterwards")
        os.close(self.master)
        os.close(self.slave)
        return code


@test
def a_shell_with_size_echo_and_signals(w):
    t = Terminal(w, "-it", "embedded", "sh")
    t.read("# ")
    t.wait_raw()
    t.type("tty; stty size; echo $TERM\r")
    check_in("/dev/pts/0", t.read("xterm\r\n"), "a terminal of the container's own devpts")
    t.type("stty size\r")
    t.read("30 90")
    t.resize(40, 120)
    for _ in range(20):
        t.type("stty size\r")
        if "40 120" in t.read(r"\d+ \d+\r\n"):
            break
    else:
        raise AssertionError("the new size did not come through")
    # ^C reaches the program inside, not bothy.
    t.type("sh -c 'echo u''p; exec sleep 1000'\r")
    t.read("up\r\n")
    t.type("\x03")
    t.type("echo st''ill $?\r")
    t.read("still 130")
    t.type("exit 5\r")
    t.end(5)


@test
def restored_on_every_way_out(w):
    # The program kills itself; bothy is asked to end; the end of input.
    t = Terminal(w, "-it", "embedded", "sh")
    t.read("# ")
    t.wait_raw()
    t.type("kill -9 $$\r")  # process 1 cannot: it goes on
    t.type("exec sh -c 'trap \"\" INT; exit 9'\r")
    t.end(9)
    for sig, code in ((signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)):
        t = Terminal(w, "-it", "--init", "embedded", "sh", "-c", "echo up; exec sleep 1000")
        t.read("up")
        t.wait_raw()
        t.child.send_signal(sig)
        t.end(code)
    t = Terminal(w, "-it", "embedded", "cat")
    t.wait_raw()
    t.type("line\r")
    t.read("line\r\nline\r\n")
    t.type("\x04")
    t.end(0)


@test
def restored_when_it_cannot_start(w):
    for args, code in ((("-it", "embedded", "nope"), 127), (("-it", "-w", "/etc/passwd", "embedded", "true"), None),
                       (("-it", "--pull", "never", "nosuchimage"), 125)):
        t = Terminal(w, *args)
        t.end(code)


@test
def output_is_whole(w):
    t = Terminal(w, "-it", "embedded", "sh", "-c", "seq 1 20000; echo e''nd")
    text = t.read("end\r\n")
    check_equal(len(re.findall(r"\d+\r\n", text)), 20000, "lines")
    t.end(0)


@test
def detach_keys_are_kept_from_the_program(w):
    t = Terminal(w, "-it", "--detach-keys", "ctrl-x,q", "embedded", "cat")
    t.wait_raw()
    t.type("\x18q")
    t.read("not supported")
    t.type("\x18x\r")
    t.read(r"\^Xx")
    t.type("\x04")
    t.end(0)


@test
def signals_without_a_terminal(w):
    for sig in ("TERM", "INT", "HUP", "USR1", "USR2", "QUIT"):
        command = [w.bin / "bothy", "--root", w.tmp / "lib", "--state", w.tmp / "run/bothy", "run", "embedded", "sh", "-c",
                   f"trap 'echo got {sig}; exit 3' {sig}; echo up; while :; do sleep 0.05; done"]
        child = w.spawn(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        check_equal(child.stdout.readline(), "up\n")
        child.send_signal(getattr(signal, "SIG" + sig))
        check_equal(child.stdout.read(), f"got {sig}\n")
        check_equal(child.wait(), 3)


@test
def tty_without_one_is_refused(w):
    done = w.bothy("run", "-it", "embedded", "true")
    check_equal(done.code, 125)
    check_in("the input device is not a TTY", done.err)
    done = w.bothy("run", "-t", "embedded", "sh", "-c", "test -t 1 && echo yes")
    check_equal(done.out, "yes\n", "-t alone gives the program a terminal")


@test
def much_input_and_its_echo(w):
    """A program that writes what it reads stops reading until it is read: neither direction may wait for the other."""
    t = Terminal(w, "-it", "embedded", "sh", "-c", "stty raw; echo go; head -c 300000 | wc -c; stty sane")
    t.read("go")
    t.wait_raw()
    os.set_blocking(t.master, False)
    left = 300000
    deadline = time.monotonic() + 60
    while left and time.monotonic() < deadline:
        readable, writable, _ = select.select([t.master], [t.master], [], 5)
        if readable:
            t.seen = (t.seen + os.read(t.master, 65536).decode())[-1000:]
        if writable:
            left -= os.write(t.master, b"x" * min(left, 2000))
    check_equal(left, 0, "input that was not taken")
    t.read("300000")
    t.end(0)


@test
def closed_and_opened_anew(w):
    """Init systems close the terminal and open /dev/console for each line: what they say later is shown as well."""
    t = Terminal(w, "-it", "embedded", "sh", "-c",
                 "exec 0<&- 1>&- 2>&-; for i in 1 2 3; do sleep 0.2; echo line $i >/dev/console; done")
    t.read("line 1\r\nline 2\r\nline 3\r\n")
    t.end(0)


@test
def a_slow_reader_gets_it_all(w):
    """What the pipe does not take while the program runs is not lost when the program ends."""
    command = [w.bin / "bothy", "--root", w.tmp / "lib", "--state", w.tmp / "run/bothy", "run", "-t", "embedded", "seq", "2000"]

    def start():
        child = w.spawn(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        fcntl.fcntl(child.stdout, fcntl.F_SETPIPE_SZ, 4096)
        time.sleep(1.5)  # the pipe is full, the rest is in the terminal, and the program has ended
        return child

    child = start()
    check_equal(len(child.stdout.read().split()), 2000, "lines")
    check_equal(child.wait(), 0)
    # With nobody reading, and nothing running any more, bothy can still be asked to end.
    child = start()
    child.terminate()
    child.wait(20)
    child.stdout.close()


@test
def output_that_nobody_reads_ends_it(w):
    """`bothy run -t ... | head -1` ends as it would without a terminal, and takes what it made along."""
    command = [w.bin / "bothy", "--root", w.tmp / "lib", "--state", w.tmp / "run/bothy", "run", "-t", "embedded", "yes"]
    child = w.spawn(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    check_equal(child.stdout.readline(), "y\n")
    child.stdout.close()
    check_equal(child.wait(20), 128 + signal.SIGPIPE)
