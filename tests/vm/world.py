# SPDX-License-Identifier: Apache-2.0
"""What the virtual machine is made of, built once and kept outside the repository.

Three things go into the initial RAM disk that QEMU hands to the kernel, one cpio archive after the other:
the kernel's modules, the root file system (one ext4 image in a file), and the project with today's list of
commands. The first two are cached here; the third is made for each run and is small.

A cache entry is a folder that is filled under another name and renamed when it is whole, so an interrupted
build is never taken for a finished one. A lock lets two runs share the cache.

What this file does not do: start anything. tests/vm/run does.
"""

import contextlib
import fcntl
import hashlib
import lzma
import os
import shutil
import stat
import subprocess
import tarfile
import tempfile
import time

# Raise when the way of building changes: older entries are then no longer used.
FORMAT = "1"

UNUSED_DAYS = 30

MIRROR = os.environ.get("BOTHY_VM_MIRROR", "http://deb.debian.org/debian")
MIRROR_SECURITY = os.environ.get("BOTHY_VM_SECURITY_MIRROR", "http://deb.debian.org/debian-security")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

# --kernel word -> the Debian release whose linux-image-cloud-amd64 is that kernel. Releases keep one kernel
# line for life, so the word is also checked inside the machine against uname -r.
KERNELS = {"6.1": "bookworm", "6.12": "trixie"}

# The root file system. The library packages are what the programs link with; crun and runc prove the world
# itself and are peers in tests; the rest is what the integration tests call.
PACKAGES = [
    "apparmor", "busybox-static", "crun", "e2fsprogs", "iproute2", "kmod", "libcap2", "libcurl4", "libisal2", "libpsl5",
    "libseccomp2", "libsqlite3-0", "nftables", "procps", "python3", "runc", "strace", "uidmap", "util-linux",
]

# More for --integration: the tests build their attackers' programs, and unpack zstd layers.
INTEGRATION_PACKAGES = ["gcc", "libc6-dev", "zstd"]

# Not needed to run anything, and a third of the size: it is copied through memory at each boot.
PRUNE = [
    "boot", "usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/zoneinfo",
    "usr/share/perl", "usr/lib/x86_64-linux-gnu/perl", "usr/lib/x86_64-linux-gnu/gconv",
    "usr/lib/x86_64-linux-gnu/libcrun.a", "usr/lib/x86_64-linux-gnu/libperl.so.*",
    "usr/lib/python3.*/test", "usr/lib/python3.*/lib2to3", "usr/lib/python3.*/pydoc_data",
    "var/lib/apt/lists", "var/cache/apt", "var/cache/debconf",
]

# Folders and files below /lib/modules/<release>/kernel that containers and their networks can ask for.
MODULES = [
    "drivers/block/loop", "drivers/net/bonding", "drivers/net/dummy", "drivers/net/ifb", "drivers/net/ipvlan",
    "drivers/net/macvlan", "drivers/net/macvtap", "drivers/net/tap", "drivers/net/tun", "drivers/net/veth",
    "drivers/net/vrf", "drivers/net/vxlan", "drivers/net/wireguard", "fs/erofs", "fs/fuse", "fs/isofs",
    "fs/overlayfs", "fs/squashfs", "lib", "net/8021q", "net/802", "net/bridge", "net/core", "net/ipv4",
    "net/ipv6", "net/llc", "net/netfilter", "net/sched", "net/unix", "net/xfrm", "net/packet", "net/netlink",
    "crypto",
]

TOOLS = {
    "apt-get": "apt", "dpkg-deb": "dpkg", "mke2fs": "e2fsprogs", "mmdebstrap": "mmdebstrap",
    "qemu-system-x86_64": "qemu-system-x86", "unshare": "util-linux",
}


class WorldError(Exception):
    """The world could not be built; the text is for the person at the terminal."""


def missing_tools():
    """Debian packages that this host lacks, in the words of apt-get install."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    os.environ["PATH"] = path
    packages = [package for tool, package in TOOLS.items() if shutil.which(tool) is None]
    if os.geteuid() != 0 and shutil.which("newuidmap") is None:
        packages.append("uidmap")
    if not os.path.exists(KEYRING):
        packages.append("debian-archive-keyring")
    return sorted(set(packages))


def call(argv, what, **kwargs):
    """Run a tool; its words are only shown when it fails."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", check=False, **kwargs)
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-25:])
        raise WorldError(f"{what}: '{argv[0]}' ended with status {done.returncode}:\n{tail}")
    return done.stdout


# --- cpio ("newc"): Documentation/driver-api/early-userspace/buffer-format.rst -------------------------------


class Cpio:
    """Writes one archive of the form the kernel unpacks; everything belongs to root, times are zero."""

    def __init__(self, out):
        self.out = out
        self.inode = 1
        self.folders = set()

    def _pad(self, size):
        self.out.write(b"\0" * (-size % 4))

    def _head(self, name, mode, size):
        raw = name.encode() + b"\0"
        fields = [self.inode, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, len(raw), 0]
        self.inode += 1
        self.out.write(b"070701" + b"".join(b"%08x" % field for field in fields) + raw)
        self._pad(110 + len(raw))

    def folder(self, name):
        """Make @name and what is above it."""
        if not name or name in self.folders:
            return
        self.folder(os.path.dirname(name))
        self.folders.add(name)
        self._head(name, stat.S_IFDIR | 0o755, 0)

    def data(self, name, content, mode=0o644):
        self.folder(os.path.dirname(name))
        self._head(name, stat.S_IFREG | mode, len(content))
        self.out.write(content)
        self._pad(len(content))

    def link(self, name, target):
        self.folder(os.path.dirname(name))
        raw = os.fsencode(target)
        self._head(name, stat.S_IFLNK | 0o777, len(raw))
        self.out.write(raw)
        self._pad(len(raw))

    def file(self, name, path):
        """One file, streamed: the root file system's image is large."""
        with open(path, "rb") as source:
            status = os.fstat(source.fileno())
            # Readable to all: plain users inside run it too.
            mode = (status.st_mode & 0o777) | 0o444 | (0o111 if status.st_mode & 0o100 else 0)
            self.folder(os.path.dirname(name))
            self._head(name, stat.S_IFREG | mode, status.st_size)
            shutil.copyfileobj(source, self.out, 1 << 20)
            if source.tell() != status.st_size:
                raise WorldError(f"{path} changed while it was packed; try again")
            self._pad(status.st_size)

    def tree(self, name, path):
        """A folder, a link or a file with all that is below it; sockets and the like are left out."""
        if os.path.islink(path):
            self.link(name, os.readlink(path))
        elif os.path.isdir(path):
            self.folder(name)
            for entry in sorted(os.listdir(path)):
                if entry not in ("__pycache__", ".git"):
                    self.tree(os.path.join(name, entry), os.path.join(path, entry))
        elif os.path.isfile(path):
            self.file(name, path)

    def end(self):
        self._head("TRAILER!!!", 0, 0)


# --- the cache ----------------------------------------------------------------------------------------------


def cache_folder():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "bothy-vm")


@contextlib.contextmanager
def locked(folder):
    """One builder at a time; others wait and then find the entry made."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def as_root():
    """Words before a command that must be root over files of many owners: a user namespace for a plain user."""
    return [] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--map-auto"]


def remove(folder):
    """A cache folder or the half of one, in which files can belong to subordinate ids."""
    if os.path.isdir(folder):
        call(as_root() + ["rm", "-rf", "--one-file-system", folder], "remove " + folder)


def forget_unused(cache):
    """Entries that no run has asked for in a month, and halves that a killed run has left."""
    for name in os.listdir(cache):
        path = os.path.join(cache, name)
        unused = os.stat(path).st_mtime < time.time() - UNUSED_DAYS * 86400
        if name.startswith(("root-", "kernel-")) and (unused or name.endswith(".half")):
            remove(path)


def entry(cache, name, build, refresh, say):
    """The cache folder @name, built by @build(folder) if it is not there."""
    final = os.path.join(cache, name)
    with locked(cache):
        if refresh:
            remove(final)
        if not os.path.isdir(final):
            half = final + ".half"
            forget_unused(cache)
            os.mkdir(half)
            say(f"building {name} (kept in {cache})")
            try:
                build(half)
                os.rename(half, final)
            finally:
                remove(half)
        os.utime(final)
    return final


def digest(*words):
    return hashlib.sha256("\0".join((FORMAT,) + words).encode()).hexdigest()[:12]


def apt_proxy():
    """This host's proxies, as options that the private apt calls are given too."""
    options = []
    for key in ("Acquire::http::Proxy", "Acquire::https::Proxy"):
        value = subprocess.run(["apt-config", "shell", "V", key], stdout=subprocess.PIPE, text=True,
                               check=False).stdout.strip()
        if value.startswith("V='") and value.endswith("'"):
            options.append(f'{key} "{value[3:-1]}"')
    return options


def sources(suite):
    return [f"deb [signed-by={KEYRING}] {MIRROR} {suite} main",
            f"deb [signed-by={KEYRING}] {MIRROR_SECURITY} {suite}-security main"]


# --- root file system ---------------------------------------------------------------------------------------

# Runs as root (or as root of a user namespace, for a plain user) so that owners in the image are right.
# $1 tar, $2 scratch folder, $3 image.
MAKE_IMAGE = r"""
set -eu
trap 'find "$2" -mindepth 1 -delete' EXIT
# Device nodes cannot be made in a user namespace and are not needed: devtmpfs has them.
tar -x --numeric-owner --exclude='./dev/*' -f "$1" -C "$2"
mb=$(du -sxm "$2" | cut -f1)
mke2fs -q -t ext4 -O ^has_journal,uninit_bg -E lazy_itable_init=1,root_owner=0:0 -b 4096 -m 0 -i 8192 -L root \
	-d "$2" "$3" $((mb + mb / 8 + 24))M
"""

# In the new root, before it is packed. tester has subordinate ids, plain has none.
USERS = ('chroot "$1" useradd -m -u 1000 -s /bin/bash tester; chroot "$1" useradd -m -u 1001 -s /bin/bash plain;'
         'sed -i /^plain:/d "$1/etc/subuid" "$1/etc/subgid"')


def build_root(folder, suite, packages):
    tar = os.path.join(folder, "root.tar")
    prune = "cd \"$1\" && rm -rf " + " ".join(PRUNE)
    call(["mmdebstrap", "--quiet", "--mode=auto", "--variant=minbase", "--format=tar",
          '--aptopt=Apt::Install-Recommends "false"', *[f"--aptopt={o}" for o in apt_proxy()],
          "--include=" + ",".join(packages), "--customize-hook=" + USERS, "--customize-hook=" + prune,
          "--customize-hook=" + 'mkdir -p "$1/bothy" "$1/usr/lib/modules"', suite, tar, *sources(suite)],
         "build the root file system of the test machine")
    with tarfile.open(tar) as archive:
        busybox = next((m for m in archive if m.name.lstrip("./") in ("bin/busybox", "usr/bin/busybox")), None)
        if busybox is None:
            raise WorldError("the root file system has no busybox: package busybox-static has changed")
        content = archive.extractfile(busybox).read()
    image = os.path.join(folder, "root.ext4")
    # The scratch folder is emptied by MAKE_IMAGE itself: its files can belong to subordinate ids.
    scratch = tempfile.mkdtemp(dir=folder)
    call(as_root() + ["sh", "-c", MAKE_IMAGE, "sh", tar, scratch, image],
         "make the ext4 image of the test machine")
    os.rmdir(scratch)
    with open(os.path.join(folder, "root.cpio"), "wb") as out:
        cpio = Cpio(out)
        cpio.data("bin/busybox", content, 0o755)
        cpio.file("root.ext4", image)
        cpio.end()
    os.unlink(tar)
    os.unlink(image)


def root(cache, suite, extra, refresh, say):
    """Path of the cpio that holds the root file system's image."""
    packages = sorted(set(PACKAGES) | set(extra))
    name = f"root-{suite}-{digest(suite, USERS, MAKE_IMAGE, *PRUNE, *packages)}"
    return os.path.join(entry(cache, name, lambda f: build_root(f, suite, packages), refresh, say), "root.cpio")


# --- kernel -------------------------------------------------------------------------------------------------


def private_apt(folder, suite):
    """Arguments that make apt-get and apt-cache look at @folder only, never at the host's own lists."""
    for name in ("lists/partial", "archives/partial", "etc/preferences.d", "etc/apt.conf.d"):
        os.makedirs(os.path.join(folder, name))
    for name in ("status", "etc/preferences"):
        open(os.path.join(folder, name), "w", encoding="ascii").close()
    with open(os.path.join(folder, "etc/sources.list"), "w", encoding="ascii") as out:
        out.write("\n".join(sources(suite)) + "\n")
    options = [f"Dir::Etc={folder}/etc", f"Dir::Etc::sourceparts={folder}/none", f"Dir::State={folder}",
               f"Dir::State::status={folder}/status", f"Dir::Cache={folder}", "APT::Architecture=amd64",
               "APT::Architectures=amd64", "APT::Sandbox::User=", "Acquire::Languages=none",
               "DPkg::Post-Invoke=", "APT::Update::Post-Invoke=", "APT::Update::Post-Invoke-Success="]
    return [word for option in options for word in ("-o", option)]


def wanted_module(path):
    return any(path == want or path.startswith((want + "/", want + ".ko")) for want in MODULES)


def pack_modules(tree, release, out):
    """The chosen modules, uncompressed: the first one is loaded before there is a decompressor."""
    cpio = Cpio(out)
    base = os.path.join(tree, "lib/modules", release)
    if not os.path.isdir(base):
        base = os.path.join(tree, "usr/lib/modules", release)
    for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        cpio.file(f"modules/{release}/{name}", os.path.join(base, name))
    kernel = os.path.join(base, "kernel")
    count = 0
    for folder, _, files in sorted(os.walk(kernel)):
        for name in sorted(files):
            path = os.path.join(folder, name)
            inside = os.path.relpath(path, kernel)
            if not wanted_module(inside):
                continue
            with open(path, "rb") as source:
                content = source.read()
            if name.endswith(".xz"):
                content, inside = lzma.decompress(content), inside[:-3]
            elif not name.endswith(".ko"):
                raise WorldError(f"{path}: this compression of modules is not known here")
            cpio.data(f"modules/{release}/kernel/{inside}", content)
            count += 1
    cpio.end()
    if count == 0:
        raise WorldError(f"linux-image {release} has none of the modules looked for")


def build_kernel(folder, suite):
    with tempfile.TemporaryDirectory(dir=folder) as work:
        apt = os.path.join(work, "apt")
        options = private_apt(apt, suite)
        for proxy in apt_proxy():
            options += ["-o", proxy.replace(" ", "=", 1).replace('"', "")]
        call(["apt-get", "-q", *options, "update"], "read the package lists of " + suite)
        depends = call(["apt-cache", *options, "depends", "linux-image-cloud-amd64"], "look up the kernel")
        image = [line.split()[1] for line in depends.splitlines() if line.strip().startswith("Depends: linux-image-")]
        if len(image) != 1:
            raise WorldError(f"{suite} has no linux-image-cloud-amd64:\n{depends}")
        call(["apt-get", "-q", *options, "download", image[0]], "fetch " + image[0], cwd=work)
        debs = [name for name in os.listdir(work) if name.endswith(".deb")]
        tree = os.path.join(work, "tree")
        call(["dpkg-deb", "-x", os.path.join(work, debs[0]), tree], "unpack " + debs[0])
        release = image[0][len("linux-image-"):]
        shutil.copyfile(os.path.join(tree, "boot/vmlinuz-" + release), os.path.join(folder, "vmlinuz"))
        with open(os.path.join(folder, "modules.cpio"), "wb") as out:
            pack_modules(tree, release, out)
        with open(os.path.join(folder, "release"), "w", encoding="ascii") as out:
            out.write(release + "\n")


def kernel(cache, version, refresh, say):
    """Folder with vmlinuz, modules.cpio and release."""
    suite = KERNELS[version]
    name = f"kernel-{version}-{digest(suite, *MODULES)}"
    return entry(cache, name, lambda f: build_kernel(f, suite), refresh, say)
