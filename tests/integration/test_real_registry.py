# SPDX-License-Identifier: Apache-2.0
"""Debian's docker-registry as companies run it: TLS of their own authority, passwords in a file, a token service that signs.

Names come from a proxy, because this machine's own registries (localhost) may do without TLS and would prove nothing."""

import contextlib
import json
import re
import shutil
import subprocess

import test_images_cli as images
from fault_proxy import Proxy, Tls, docker_registry
from harness import check, check_equal, check_in, skip, test
from test_registry import registry_bothy
from token_service import SignedTokens

HOST, TOKENS = "registry.test", "auth.registry.test"


class Site:
    """A registry with a name and a certificate, and a user's home that trusts it (certs.d)."""

    def __init__(self, w, authority, registry, names=None):
        self.w, self.authority = w, authority
        self.proxy = Proxy({f"{HOST}:443": registry.replace("localhost", "127.0.0.1"), **(names or {})})
        self.env = {"https_proxy": self.proxy.url}
        self.trust()

    def trust(self):
        folder = self.w.tmp / f"home/.config/containers/certs.d/{HOST}"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.authority.folder / "ca.crt", folder / "ca.crt")

    def distrust(self):
        (self.w.tmp / f"home/.config/containers/certs.d/{HOST}/ca.crt").unlink()

    def bothy(self, *words, stdin=None, store=None):
        return registry_bothy(self.w, *words, env=self.env, stdin=stdin) if store is None else registry_bothy(self.w, "--root", store, *words, env=self.env)

    def ok(self, *words, **how):
        done = self.bothy(*words, **how)
        check_equal(done.code, 0, f"{' '.join(map(str, words))}: {done.err}")
        return done

    def refused(self, text, *words, **how):
        done = self.bothy(*words, **how)
        check_equal(done.code, 125, repr(done))
        check_in(text, done.err)
        return done

    def load(self, *names):
        folder, image = images.layout(self.w, reference=f"{HOST}/{names[0]}")
        check_equal(self.w.bothy("load", "-q", "-i", folder).code, 0)
        for name in names[1:]:
            check_equal(self.w.bothy("tag", f"{HOST}/{names[0]}", f"{HOST}/{name}").code, 0)
        return image

    def pull_anew(self, name, image):
        """Into a store that has nothing."""
        self.w.count += 1
        store = self.w.tmp / f"store{self.w.count}"
        self.ok("pull", "-q", f"{HOST}/{name}", store=store)
        check_equal(self.ok("images", "-q", "--no-trunc", store=store).out, f"sha256:{image}\n")


@contextlib.contextmanager
def site(w, htpasswd=None):
    authority = Tls(w.tmp / "tls")
    with docker_registry(w, tls=authority, htpasswd=htpasswd) as registry:
        place = Site(w, authority, registry)
        with place.proxy:
            yield place


@contextlib.contextmanager
def site_with_tokens(w, algorithm, rights):
    authority = Tls(w.tmp / "tls")
    with SignedTokens(w.tmp / "tokens", algorithm, rights, tls=authority) as tokens:
        with docker_registry(w, tls=authority, token=tokens.config(f"https://{TOKENS}/token")) as registry:
            place = Site(w, authority, registry, {f"{TOKENS}:443": tokens.host})
            with place.proxy:
                yield place, tokens


@test
def tls_of_an_authority_of_our_own(w):
    with site(w) as here:
        image = here.load("team/app:1")
        here.distrust()
        done = here.refused("certificate", "push", f"{HOST}/team/app:1")
        check_in(f"certs.d/{HOST}", done.err)
        here.trust()
        here.ok("push", f"{HOST}/team/app:1")
        here.pull_anew("team/app:1", image)
        check_equal({line.split()[1] for line in here.proxy.log}, {f"{HOST}:443"}, "nothing went elsewhere")
        # Another's authority is as good as none.
        other = Tls(w.tmp / "other")
        shutil.copy(other.folder / "ca.crt", w.tmp / f"home/.config/containers/certs.d/{HOST}/ca.crt")
        here.refused("certificate", "pull", f"{HOST}/team/app:1")


@test
def a_client_with_a_certificate(w):
    """A registry that lets nobody in who has none (clientcas); certs.d has it beside the authority."""
    authority = Tls(w.tmp / "tls")
    with docker_registry(w, tls=authority, client_ca=authority.folder / "ca.crt") as registry:
        here = Site(w, authority, registry)
        with here.proxy:
            here.load("team/app:1")
            check_equal(here.bothy("push", f"{HOST}/team/app:1").code, 125)
            folder = w.tmp / f"home/.config/containers/certs.d/{HOST}"
            shutil.copy(authority.folder / "server.crt", folder / "client.cert")
            shutil.copy(authority.folder / "server.key", folder / "client.key")
            here.ok("push", f"{HOST}/team/app:1")


@test
def passwords_behind_tls(w):
    if not shutil.which("htpasswd"):
        skip("htpasswd is not installed")
    made = subprocess.run(["htpasswd", "-Bbn", "me", "secret"], stdout=subprocess.PIPE, text=True, check=True).stdout
    (w.tmp / "htpasswd").write_text(made)
    with site(w, htpasswd=w.tmp / "htpasswd") as here:
        image = here.load("team/app:1")
        check_in(f"bothy login {HOST}", here.refused("push", "push", f"{HOST}/team/app:1").err)
        here.refused("the user name or the password is wrong", "login", "-u", "me", "--password-stdin", HOST, stdin="wrong\n")
        here.ok("login", "-u", "me", "--password-stdin", HOST, stdin="secret\n")
        here.ok("push", f"{HOST}/team/app:1")
        here.pull_anew("team/app:1", image)
        check_in("team/app", here.ok("search", f"{HOST}/app").out)
        here.ok("logout", HOST)
        here.refused(f"bothy login {HOST}", "pull", f"{HOST}/team/app:1")


def tokens_from_login_to_logout(w, algorithm):
    rights = {"me:secret": {"*": "pull,push"}, "reader:secret": {"*": "pull"}, None: {"public/app": "pull"}}
    with site_with_tokens(w, algorithm, rights) as (here, tokens):
        image = here.load("team/app:1")
        here.refused(f"bothy login {HOST}", "push", f"{HOST}/team/app:1")
        here.refused("the user name or the password is wrong", "login", "-u", "me", "--password-stdin", HOST, stdin="wrong\n")
        here.ok("login", "-u", "me", "--password-stdin", HOST, stdin="secret\n")
        tokens.log.clear()
        here.ok("push", f"{HOST}/team/app:1")
        check_equal(tokens.scopes(), [["repository:team/app:pull,push"]], "one token, for what a push needs")
        check_equal({user for _, user in tokens.log}, {"me:secret"})
        tokens.log.clear()
        here.pull_anew("team/app:1", image)
        check_equal(tokens.scopes(), [["repository:team/app:pull"]], "one token, for what a pull needs")
        # The blobs are there already: mounted from the other repository, by a token for both.
        tokens.log.clear()
        here.ok("tag", f"{HOST}/team/app:1", f"{HOST}/public/app:1")
        done = here.ok("push", "--progress=plain", f"{HOST}/public/app:1")
        check_equal(done.err.count("Mounted from another repository"), 2, done.err)
        check_in(["repository:public/app:pull,push", "repository:team/app:pull"], tokens.scopes())
        here.ok("logout", HOST)
        # Everybody may read one of them.
        here.pull_anew("public/app:1", image)
        here.refused(f"bothy login {HOST}", "pull", f"{HOST}/team/app:1")
        # Who may only read cannot push, and is told so.
        done = here.refused("was not accepted", "push", "--creds", "reader:secret", f"{HOST}/team/app:1")
        check_in("wrong or not enough", done.err)
        here.ok("pull", "--creds", "reader:secret", f"{HOST}/team/app:1")


@test
def tokens_signed_by_rsa(w):
    tokens_from_login_to_logout(w, "RS256")


@test
def tokens_signed_by_an_elliptic_curve(w):
    tokens_from_login_to_logout(w, "ES256")


@test
def tokens_that_have_died(w):
    """A registry refuses a token that is too old: another is fetched, once; the login is not to blame for what the service does."""
    with site_with_tokens(w, "ES256", {"me:secret": {"*": "pull,push"}}) as (here, tokens):
        image = here.load("team/app:1")
        tokens.dead = 1
        here.ok("push", "--creds", "me:secret", f"{HOST}/team/app:1")
        check_equal(tokens.number, 2, "tokens")
        tokens.dead = 100
        tokens.log.clear()
        here.refused(f"the token of {TOKENS} was not accepted", "pull", "--creds", "me:secret", f"{HOST}/team/app:1")
        check(0 < len(tokens.log) <= 4, f"{len(tokens.log)} tokens were asked for")
        tokens.dead = 0
        here.ok("login", "-u", "me", "--password-stdin", HOST, stdin="secret\n")
        here.pull_anew("team/app:1", image)


@test
def tokens_signed_by_nobody_it_knows(w):
    """The registry, not bothy, judges a token; what it refuses is an error of one sentence."""
    with site_with_tokens(w, "ES256", {"me:secret": {"*": "pull,push"}}) as (here, tokens):
        here.load("team/app:1")
        tokens.openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "key")
        done = here.refused(f"the token of {TOKENS} was not accepted", "push", "--creds", "me:secret", f"{HOST}/team/app:1")
        check(len(done.err.splitlines()) <= 2, done.err)


@test
def a_mount_that_is_not_allowed_is_an_upload(w):
    """The store knows that another repository has the blobs; this login may not read that one."""
    rights = {"me:secret": {"*": "pull,push"}, "narrow:secret": {"mine/app": "pull,push"}}
    with site_with_tokens(w, "ES256", rights) as (here, _):
        here.load("team/app:1", "mine/app:1")
        here.ok("push", "--creds", "me:secret", f"{HOST}/team/app:1")
        done = here.ok("push", "--progress=plain", "--creds", "narrow:secret", f"{HOST}/mine/app:1")
        check_equal(done.err.count(": Pushed\n"), 2, done.err)


@test
def a_login_of_one_repository(w):
    """auth.json has a login for team/ only: others are asked for without."""
    with site_with_tokens(w, "RS256", {"me:secret": {"*": "pull,push"}, None: {}}) as (here, tokens):
        here.load("team/app:1", "other/app:1")
        auth = w.tmp / "run/containers/auth.json"
        auth.parent.mkdir()
        auth.write_text(json.dumps({"auths": {f"{HOST}/team": {"auth": "bWU6c2VjcmV0"}}}))
        here.ok("push", f"{HOST}/team/app:1")
        tokens.log.clear()
        here.refused("was not accepted", "push", f"{HOST}/other/app:1")
        check_equal({user for _, user in tokens.log}, {None}, "who was said to ask")


@test
def no_secret_is_written_anywhere(w):
    """Neither the password nor a token is in what bothy says, in the store, or in a file of the user's."""
    with site_with_tokens(w, "ES256", {"me:s3cr3t-w0rd": {"*": "pull,push"}}) as (here, _):
        here.load("team/app:1")
        done = here.ok("--debug", "push", "--creds", "me:s3cr3t-w0rd", f"{HOST}/team/app:1")
        check(not re.search(r"s3cr3t|Bearer|eyJ|bWU6", done.out + done.err), done.err)
        found = subprocess.run(["grep", "-rlE", "s3cr3t|eyJ0eXAi|bWU6", str(w.tmp / "lib"), str(w.tmp / "run"), str(w.tmp / "home")],
                               stdout=subprocess.PIPE, text=True, check=False).stdout
        check_equal(found, "", "files with a secret")
