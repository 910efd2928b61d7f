/* SPDX-License-Identifier: Apache-2.0 */
/* bothy login and logout. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"
#include "cli/bothy.h"
#include "safepath/safepath.h"

#define WORD_BYTES_MAX 8192

struct login_options {
	struct engine_registry_options registry;
	const char *username, *password;
	struct option_bool tls_verify;
	bool password_stdin, get_login;
};

/* clang-format off */
static const struct option login_table[] = {
	{"username", 'u', OPTION_STRING, offsetof(struct login_options, username), "NAME", "user name (asked for when it is missing)", 0},
	{"password", 'p', OPTION_STRING, offsetof(struct login_options, password), "PASSWORD", "password or token; others on this machine can see it: better --password-stdin", 0},
	{"password-stdin", 0, OPTION_BOOL, offsetof(struct login_options, password_stdin), NULL, "read the password from standard input", 0},
	{"get-login", 0, OPTION_BOOL, offsetof(struct login_options, get_login), NULL, "print who is logged in, and change nothing", 0},
	{"authfile", 0, OPTION_STRING, offsetof(struct login_options, registry.authfile), "FILE", "keep it here (default: $REGISTRY_AUTH_FILE, else Docker's config.json)", 0},
	{"cert-dir", 0, OPTION_STRING, offsetof(struct login_options, registry.cert_dir), "DIR", "certificates in place of certs.d", 0},
	{"tls-verify", 0, OPTION_TRISTATE, offsetof(struct login_options, tls_verify), NULL, "verify TLS (default true); false allows http as well", 0},
	OPTION_END,
};
/* clang-format on */

/* A line from @fd without its end; not more than one byte at a time, since what follows is not ours. */
static int read_line(int fd, struct buf *out, struct error *err)
{
	char c;
	ssize_t n;

	while ((n = read(fd, &c, 1)) == 1 && c != '\n')
		if (!buf_putc(out, c))
			return error_set(err, ERROR_LIMIT, EFBIG, "login: the answer is longer than %d bytes",
					 WORD_BYTES_MAX);
	if (n < 0)
		return error_sys(err, errno, "login: read the answer");
	if (out->len && out->data[out->len - 1] == '\r')
		out->data[--out->len] = '\0';
	return 0;
}

/* Ask on the terminal, whatever standard input is. @secret: what is typed is not shown. */
static int ask(const char *what, bool secret, struct buf *out, struct error *err)
{
	struct error none;
	autofd int tty = safepath_host_open("/dev/tty", O_RDWR, 0, &none);
	struct termios before, quiet;
	bool changed = false;
	int r;

	if (tty < 0) {
		error_set(err, ERROR_INVALID, ENOTTY, "login: there is no terminal to ask for the %s",
			  secret ? "password" : "user name");
		return error_hint(err, "use -u NAME and --password-stdin");
	}
	(void)dprintf(tty, "%s: ", what);
	if (secret && tcgetattr(tty, &before) == 0) {
		quiet = before;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		changed = tcsetattr(tty, TCSAFLUSH, &quiet) == 0;
	}
	r = read_line(tty, out, err);
	if (changed) {
		(void)tcsetattr(tty, TCSAFLUSH, &before);
		(void)dprintf(tty, "\n");
	}
	if (r == 0 && out->len == 0)
		return error_set(err, ERROR_INVALID, EINVAL, "login: the %s is empty",
				 secret ? "password" : "user name");
	return r;
}

static int find_password(const struct login_options *o, struct buf *out, struct error *err)
{
	if (o->password && o->password_stdin)
		return error_set(err, ERROR_INVALID, EINVAL,
				 "login: --password and --password-stdin exclude each other");
	if (o->password_stdin && !o->username)
		return error_set(err, ERROR_INVALID, EINVAL, "login: --password-stdin needs --username");
	if (o->password) {
		(void)fprintf(
			stderr,
			"Warning: --password shows the password to everybody on this machine; use --password-stdin\n");
		buf_puts(out, o->password);
		return 0;
	}
	if (!o->password_stdin)
		return ask("Password", true, out, err);
	if (fd_read_to_end(STDIN_FILENO, out, "standard input", err) < 0)
		return -err->code;
	while (out->len && strchr("\r\n", out->data[out->len - 1]))
		out->data[--out->len] = '\0';
	return out->len ? 0 : error_set(err, ERROR_INVALID, EINVAL, "login: the password on standard input is empty");
}

static int print_login(struct arena *a, const char *domain, const struct login_options *o, struct error *err)
{
	struct registry_login login;

	if (registry_login_find(a, o->registry.authfile, domain, NULL, &login, err) < 0)
		return -err->code;
	if (!login.source)
		return error_set(err, ERROR_NOT_FOUND, ENOENT, "there is no login for %s", domain);
	autofree char *user = str_neutral(login.username ? login.username : "<token>");

	printf("%s\n", user);
	return 0;
}

static int run_login(void *global, void *options, const struct args *args, struct error *err)
{
	struct login_options *o = options;
	autobuf struct buf user = BUF_INIT(WORD_BYTES_MAX);
	autobuf struct buf password = BUF_INIT(WORD_BYTES_MAX);
	autoclean(arena_done) struct arena a = {0};
	struct registry_login login = {0};
	const char *domain, *where;
	int r;

	(void)global;
	o->registry.no_verify = o->tls_verify.set && !o->tls_verify.v;
	if (engine_registry_name(&a, args->count ? args->items[0] : NULL, &domain, err) < 0)
		return -err->code;
	if (o->get_login)
		return print_login(&a, domain, o, err);
	if (!o->username && !o->password_stdin && ask("Username", false, &user, err) < 0)
		return -err->code;
	if (find_password(o, &password, err) < 0)
		return -err->code;
	login.username = o->username ? o->username : buf_str(&user);
	login.password = buf_str(&password);
	if (strchr(login.username, ':') || str_has_control(login.username) || str_has_control(login.password))
		return error_set(
			err, ERROR_INVALID, EINVAL,
			"login: a user name has no colon, and neither it nor a password has control characters");
	r = engine_login(domain, &o->registry, &login, &a, &where, err);
	if (r < 0)
		return r;
	if (r == REGISTRY_LOGIN_PLAIN)
		(void)fprintf(
			stderr,
			"Warning: the password is kept unencrypted in %s; a credential helper (credsStore) would keep it better\n",
			where);
	printf("Login Succeeded\n");
	return 0;
}

const struct command cmd_login = {
	.name = "login",
	.group = "Registries",
	.args = "[REGISTRY]",
	.summary = "log in to a registry",
	.details =
		"The login is tried first and kept when it works: by the credential helper that Docker's config.json names\n"
		"(credHelpers, credsStore), else in that file with mode 0600. Without a REGISTRY it is Docker Hub.",
	.options = login_table,
	.options_size = sizeof(struct login_options),
	.max_args = 1,
	.run = run_login,
	.examples =
		"  bothy login -u me registry.example\n  pass show registry | bothy login -u me --password-stdin registry.example",
};

struct logout_options {
	const char *authfile;
	bool all;
};

/* clang-format off */
static const struct option logout_table[] = {
	{"all", 'a', OPTION_BOOL, offsetof(struct logout_options, all), NULL, "forget every login", 0},
	{"authfile", 0, OPTION_STRING, offsetof(struct logout_options, authfile), "FILE", "look here alone", 0},
	OPTION_END,
};
/* clang-format on */

static int run_logout(void *global, void *options, const struct args *args, struct error *err)
{
	const struct logout_options *o = options;
	autoclean(arena_done) struct arena a = {0};
	const char *domain = NULL;

	(void)global;
	if (o->all && args->count)
		return error_set(err, ERROR_INVALID, EINVAL, "logout: a registry and --all exclude each other");
	if (!o->all && engine_registry_name(&a, args->count ? args->items[0] : NULL, &domain, err) < 0)
		return -err->code;
	if (registry_login_remove(&a, o->authfile, domain, err) < 0)
		return -err->code;
	if (o->all)
		printf("Removed all login credentials\n");
	else
		printf("Removing login credentials for %s\n", domain);
	return 0;
}

const struct command cmd_logout = {
	.name = "logout",
	.group = "Registries",
	.args = "[REGISTRY]",
	.summary = "forget the login of a registry",
	.details =
		"It is taken out of Podman's auth.json files and Docker's config.json, and out of the credential helper.",
	.examples = "  bothy logout registry.example.com\n"
		    "  bothy logout --all",
	.options = logout_table,
	.options_size = sizeof(struct logout_options),
	.max_args = 1,
	.run = run_logout,
};
