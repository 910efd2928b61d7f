# SPDX-License-Identifier: Apache-2.0
"""Runs the commands inside the virtual machine, one after the other, and reports on the second serial line.

Each command gets a control group of its own, a session of its own, the user that was asked for and a time
limit. When it has ended, what it left behind (processes, mounts, groups, network links) is counted as a
failure, and cleared so that the next command starts on clean ground.

Reports are lines of JSON: hello; then for each command start, out (any number), end; then bye.
"""

import fcntl
import json
import os
import pwd
import select
import signal
import subprocess
import sys
import termios
import time

BOTHY = "/bothy"
GROUPS = "/sys/fs/cgroup"
OUTPUT_LIMIT_BYTES = 2 << 20  # per command: a test gone mad shall not fill the host's memory
USER_GROUPS = {
    "root": GROUPS + "/system.slice/test-%d.service",
    "tester": GROUPS + "/user.slice/user-1000.slice/user@1000.service/app.slice/test-%d.scope",
    "plain": GROUPS + "/user.slice/user-1001.slice/session-%d.scope",
}


class Line:
    """The serial line to the host."""

    def __init__(self):
        self.fd = os.open("/dev/ttyS1", os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC)

    def send(self, event, **fields):
        data = (json.dumps({"ev": event, **fields}) + "\n").encode("ascii")
        while data:
            data = data[os.write(self.fd, data):]


def read_text(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as source:
            return source.read()
    except OSError:
        return ""


def processes():
    """pid -> name of all processes but kernel threads (children of 2), ourselves and process 1."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) not in (1, 2, os.getpid()):
            text = read_text(f"/proc/{entry}/stat")
            name, _, rest = text.partition("(")[2].rpartition(")")
            if rest and rest.split()[1] != "2" and rest.split()[0] != "Z":
                found[int(entry)] = name
    return found


def snapshot():
    """What a test must leave as it was."""
    mounts = {}
    for line in read_text("/proc/1/mountinfo").splitlines():
        where = line.split()[4]
        mounts[where] = mounts.get(where, 0) + 1
    groups = {folder for folder, _, _ in os.walk(GROUPS)}
    links = set(os.listdir("/sys/class/net"))
    return {"process": processes(), "mount": mounts, "group": groups, "link": links}


def differences(before, after):
    left = [f"process {pid} ({name})" for pid, name in after["process"].items() if pid not in before["process"]]
    left += [f"mount {where}" for where, n in after["mount"].items() if n > before["mount"].get(where, 0)]
    left += [f"group {path}" for path in sorted(after["group"] - before["group"])]
    left += [f"link {name}" for name in sorted(after["link"] - before["link"])]
    return left


def settled(before, patience_s):
    """What is left once it stopped changing or patience is over: the kernel takes things down in its own time."""
    deadline = time.monotonic() + patience_s
    while True:
        after = snapshot()
        left = differences(before, after)
        if not left or time.monotonic() > deadline:
            return left, after
        time.sleep(0.05)


def clear(before, after):
    """Best effort: the failure is reported already, this is only for the next command's sake."""
    for group in sorted(after["group"] - before["group"], key=len):
        try:
            with open(group + "/cgroup.kill", "w", encoding="ascii") as kill:
                kill.write("1")
        except OSError:
            pass
    for pid in after["process"]:
        if pid not in before["process"]:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
    _, after = settled(before, 2)
    for where in sorted(after["mount"], key=len, reverse=True):
        for _ in range(after["mount"][where] - before["mount"].get(where, 0)):
            subprocess.run(["umount", "-l", where], stderr=subprocess.DEVNULL, check=False)
    for link in after["link"] - before["link"]:
        subprocess.run(["ip", "link", "del", link], stderr=subprocess.DEVNULL, check=False)
    for group in sorted(after["group"] - before["group"], key=len, reverse=True):
        try:
            os.rmdir(group)
        except OSError:
            pass


def environment(user, extra):
    env = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
        "HOME": user.pw_dir, "USER": user.pw_name, "LOGNAME": user.pw_name, "SHELL": "/bin/sh",
    }
    if user.pw_uid != 0:
        env["XDG_RUNTIME_DIR"] = f"/run/user/{user.pw_uid}"
    return {**env, **extra}


def start(command, number, extra):
    """The command's process, in its own group, and the group's path."""
    user = pwd.getpwnam(command["as"])
    group = USER_GROUPS[command["as"]] % number
    os.mkdir(group)
    if command["as"] == "tester":
        for path in (group, group + "/cgroup.procs", group + "/cgroup.threads", group + "/cgroup.subtree_control"):
            os.chown(path, user.pw_uid, user.pw_gid)

    def enter():
        with open(group + "/cgroup.procs", "w", encoding="ascii") as procs:
            procs.write("0")
        os.initgroups(user.pw_name, user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
        os.umask(0o022)

    child = subprocess.Popen(["/bin/sh", "-c", command["run"]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, cwd=BOTHY, env=environment(user, extra), preexec_fn=enter,
                             start_new_session=True)
    return child, group


def follow(child, deadline, report):
    """Pass output on until the process ends (not until the pipe closes: a forgotten daemon may hold it)."""
    pidfd = os.pidfd_open(child.pid)
    pipe = child.stdout.fileno()
    os.set_blocking(pipe, False)
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    poller.register(pipe, select.POLLIN)
    sent = 0
    ended = timed_out = False
    while True:
        wait_ms = 0 if ended else max(0, int((deadline - time.monotonic()) * 1000))
        ready = [fd for fd, _ in poller.poll(wait_ms)]
        if pipe in ready:
            data = os.read(pipe, 65536)
            if not data:
                poller.unregister(pipe)
            elif sent < OUTPUT_LIMIT_BYTES:
                sent += len(data)
                report(data.decode("utf-8", "replace"))
                if sent >= OUTPUT_LIMIT_BYTES:
                    report("\n[the rest of the output is left out]\n")
            continue
        if ended:
            break
        if pidfd in ready:
            ended = True
            poller.unregister(pidfd)
        elif time.monotonic() >= deadline:
            timed_out = True
            break
    os.close(pidfd)
    return timed_out


def run(line, number, command, extra):
    before = snapshot()
    line.send("start", n=number)
    begin = time.monotonic()
    child, group = start(command, number, extra)
    timed_out = follow(child, begin + command["timeout"], lambda text: line.send("out", n=number, data=text))
    if timed_out:
        with open(group + "/cgroup.kill", "w", encoding="ascii") as kill:
            kill.write("1")
    status = child.wait()
    seconds = time.monotonic() - begin
    child.stdout.close()
    if timed_out:
        settled(before, 2)
    try:
        os.rmdir(group)
    except OSError:
        pass  # something still lives in it: seen just below
    left, after = settled(before, 2)
    if left:
        clear(before, after)
    line.send("end", n=number, rc=status, secs=round(seconds, 2), timeout=timed_out, left=left)


def shell():
    """An interactive shell that has the console as its terminal, so that Ctrl-C and job control work."""
    def take_terminal():
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    with open("/dev/ttyS0", "r+b", buffering=0) as tty:
        subprocess.run(["stty", "sane"], stdin=tty, check=False)
        tty.write(b"\nbothy-vm: a root shell; the project is in /bothy; leave with exit\n")
        subprocess.run(["bash", "-i"], cwd=BOTHY, env=environment(pwd.getpwnam("root"), {"TERM": "linux"}),
                       stdin=tty, stdout=tty, stderr=tty, start_new_session=True, preexec_fn=take_terminal, check=False)


def main():
    with open(BOTHY + "/vm.json", encoding="ascii") as source:
        plan = json.load(source)
    line = Line()
    uptime = float(read_text("/proc/uptime").split()[0])
    line.send("hello", kernel=os.uname().release, uptime=uptime)
    for number, command in enumerate(plan["commands"]):
        run(line, number, command, plan["env"])
    if plan["shell"]:
        shell()
    line.send("bye")
    return 0


if __name__ == "__main__":
    sys.exit(main())
