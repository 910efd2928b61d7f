/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signal names and the signal state of a process. Masks are set by the raw system call, because glibc's functions silently
 * leave out the two signals that it keeps for its threads, and a container's process must inherit a clean state.
 */
#include "kernel/signal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"

#define SIGNAL_MAX 64
#define SIGNAL_RT_MIN 34 /* glibc's SIGRTMIN: 32 and 33 are its own */
#define KERNEL_SIGSET_BYTES 8

static const char *const names[] = {
	[SIGHUP] = "HUP",       [SIGINT] = "INT",     [SIGQUIT] = "QUIT", [SIGILL] = "ILL",   [SIGTRAP] = "TRAP",
	[SIGABRT] = "ABRT",     [SIGBUS] = "BUS",     [SIGFPE] = "FPE",   [SIGKILL] = "KILL", [SIGUSR1] = "USR1",
	[SIGSEGV] = "SEGV",     [SIGUSR2] = "USR2",   [SIGPIPE] = "PIPE", [SIGALRM] = "ALRM", [SIGTERM] = "TERM",
	[SIGCHLD] = "CHLD",     [SIGCONT] = "CONT",   [SIGSTOP] = "STOP", [SIGTSTP] = "TSTP", [SIGTTIN] = "TTIN",
	[SIGTTOU] = "TTOU",     [SIGURG] = "URG",     [SIGXCPU] = "XCPU", [SIGXFSZ] = "XFSZ", [SIGVTALRM] = "VTALRM",
	[SIGPROF] = "PROF",     [SIGWINCH] = "WINCH", [SIGIO] = "IO",     [SIGPWR] = "PWR",   [SIGSYS] = "SYS",
#ifdef SIGSTKFLT
	[SIGSTKFLT] = "STKFLT",
#endif
};

static const struct {
	const char *name;
	int sig;
} aliases[] = {
	{"IOT", SIGABRT},
	{"CLD", SIGCHLD},
	{"POLL", SIGIO},
	{"UNUSED", SIGSYS},
};

/* "RTMIN", "RTMIN+3", "RTMAX-2" */
static int parse_real_time(const char *s)
{
	bool from_max = strncasecmp(s, "RTMAX", 5) == 0;
	uint32_t n = 0;

	if (!from_max && strncasecmp(s, "RTMIN", 5) != 0)
		return -1;
	s += 5;
	if (*s) {
		if (*s != (from_max ? '-' : '+') || str_to_u32(s + 1, &n) < 0 || n > SIGNAL_MAX - SIGNAL_RT_MIN)
			return -1;
	}
	return from_max ? SIGNAL_MAX - (int)n : SIGNAL_RT_MIN + (int)n;
}

int signal_from_name(const char *name)
{
	uint32_t n;

	if (name[0] >= '0' && name[0] <= '9')
		return str_to_u32(name, &n) == 0 && n >= 1 && n <= SIGNAL_MAX ? (int)n : -1;
	if (strncasecmp(name, "SIG", 3) == 0)
		name += 3;
	for (size_t i = 1; i < ARRAY_SIZE(names); i++)
		if (names[i] && strcasecmp(name, names[i]) == 0)
			return (int)i;
	for (size_t i = 0; i < ARRAY_SIZE(aliases); i++)
		if (strcasecmp(name, aliases[i].name) == 0)
			return aliases[i].sig;
	return parse_real_time(name);
}

const char *signal_name(int sig, char buf[static SIGNAL_NAME_MAX])
{
	if (sig < 1 || sig > SIGNAL_MAX)
		return NULL;
	if ((size_t)sig < ARRAY_SIZE(names) && names[sig])
		(void)snprintf(buf, SIGNAL_NAME_MAX, "SIG%s", names[sig]);
	else if (sig == SIGNAL_RT_MIN)
		(void)snprintf(buf, SIGNAL_NAME_MAX, "SIGRTMIN");
	else
		(void)snprintf(buf, SIGNAL_NAME_MAX, "SIGRTMIN%+d", sig - SIGNAL_RT_MIN);
	return buf;
}

static int set_mask(const void *mask, sigset_t *ret_old)
{
	sigset_t old;

	sigemptyset(&old);
	if (syscall(SYS_rt_sigprocmask, SIG_SETMASK, mask, &old, KERNEL_SIGSET_BYTES) < 0)
		return -errno;
	if (ret_old)
		*ret_old = old;
	return 0;
}

int signal_block_all(sigset_t *ret_old)
{
	uint64_t all = UINT64_MAX;

	return set_mask(&all, ret_old);
}

int signal_restore_mask(const sigset_t *old)
{
	return set_mask(old, NULL);
}

void signal_reset_all(void)
{
	/* The kernel's struct: handler, flags, restorer, mask; all zero is SIG_DFL on every machine. */
	const uint64_t dfl[8] = {0};
	const uint64_t none = 0;

	for (int sig = 1; sig <= SIGNAL_MAX; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			(void)syscall(SYS_rt_sigaction, sig, dfl, NULL, KERNEL_SIGSET_BYTES);
	(void)set_mask(&none, NULL);
}

uint64_t signal_get_ignored(void)
{
	char text[1024];
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	const char *p;
	uint64_t ignored = 0;

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	/* The name in parentheses may hold anything; field 33 is the 31st behind it (proc(5)). */
	p = strrchr(text, ')');
	for (int field = 2; p && field < 33; field++)
		p = strchr(p + 1, ' ');
	if (!p || *++p < '0' || *p > '9')
		return UINT64_MAX;
	for (; *p >= '0' && *p <= '9'; p++)
		ignored = ignored * 10 + (uint64_t)(*p - '0');
	return ignored;
}

void signal_reset(uint64_t ignored)
{
	const uint64_t dfl[8] = {0};
	const uint64_t none = 0;

	for (int sig = 1; sig <= SIGNAL_MAX; sig++)
		if ((ignored & UINT64_C(1) << (sig - 1)) && sig != SIGKILL && sig != SIGSTOP)
			(void)syscall(SYS_rt_sigaction, sig, dfl, NULL, KERNEL_SIGSET_BYTES);
	(void)set_mask(&none, NULL);
}

int signal_open_fd(const int *sigs, size_t count, sigset_t *ret_old, struct error *err)
{
	uint64_t set = 0; /* the kernel's form: a sigset_t takes no signal that the C library keeps to itself */
	sigset_t old;
	int fd;

	sigemptyset(&old);
	for (size_t i = 0; i < count; i++) {
		if (sigs[i] < 1 || sigs[i] > SIGNAL_MAX)
			return error_set(err, ERROR_INTERNAL, EINVAL, "signal %d does not exist", sigs[i]);
		set |= UINT64_C(1) << (sigs[i] - 1);
	}
	fd = (int)syscall(SYS_signalfd4, -1, &set, KERNEL_SIGSET_BYTES, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return error_sys(err, errno, "open a file for signals");
	if (syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, &old, KERNEL_SIGSET_BYTES) < 0) {
		close(fd);
		return error_sys(err, errno, "block signals");
	}
	if (ret_old)
		*ret_old = old;
	return fd;
}
