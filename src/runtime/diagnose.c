/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a program that did not start. Everything read here comes from the image: bounded, never trusted, and printed
 * with control characters replaced (base/error does that).
 */
#include "runtime/diagnose.h"

#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"

#define HEAD_BYTES 4096

#ifndef EM_LOONGARCH /* musl 1.2.3 has not */
#define EM_LOONGARCH 258
#endif

#if defined(__x86_64__)
#define OUR_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OUR_MACHINE EM_AARCH64
#elif defined(__riscv)
#define OUR_MACHINE EM_RISCV
#elif defined(__s390x__)
#define OUR_MACHINE EM_S390
#elif defined(__powerpc64__)
#define OUR_MACHINE EM_PPC64
#else
#define OUR_MACHINE EM_NONE
#endif

static const struct {
	uint16_t machine;
	const char *name;
} machines[] = {
	{EM_X86_64, "amd64"},      {EM_386, "386"},    {EM_AARCH64, "arm64"}, {EM_ARM, "arm"},
	{EM_RISCV, "riscv64"},     {EM_S390, "s390x"}, {EM_PPC64, "ppc64le"}, {EM_MIPS, "mips"},
	{EM_LOONGARCH, "loong64"},
};

static const char *machine_name(uint16_t m)
{
	for (size_t i = 0; i < ARRAY_SIZE(machines); i++)
		if (machines[i].machine == m)
			return machines[i].name;
	return "another architecture";
}

/* Look through one folder for the name nearest to @want. */
static void nearest_in(const char *dir, size_t dir_len, const char *want, char *best, size_t size,
		       size_t *best_distance)
{
	char path[PATH_MAX];
	char room[8192] __attribute__((aligned(8)));
	autofd int fd = FD_NONE;
	long n;

	if (dir_len == 0 || dir_len >= sizeof(path))
		return;
	memcpy(path, dir, dir_len);
	path[dir_len] = '\0';
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return;
	/* Only a look: two thousand names or so are enough. */
	for (int rounds = 0; rounds < 16 && (n = syscall(SYS_getdents64, fd, room, sizeof(room))) > 0; rounds++) {
		for (long at = 0; at < n;) {
			const struct dirent64 *d = (const struct dirent64 *)(room + at);
			size_t distance =
				d->d_name[0] == '.' ? SIZE_MAX : str_distance(want, d->d_name, *best_distance);

			at += d->d_reclen;
			if (distance < *best_distance) {
				*best_distance = distance;
				(void)str_copy(best, size, d->d_name);
			}
		}
	}
}

static void hint_nearest(const char *name, char *const *envp, struct error *err)
{
	char best[256] = "";
	const size_t typed = strlen(name);
	size_t limit = typed < 2 ? 0 : typed <= 4 ? 2 : 3; /* at most one or two letters off */
	const char *path = NULL;

	for (; *envp; envp++)
		if (str_starts(*envp, "PATH="))
			path = *envp + 5;
	if (!path) {
		error_hint(err, "the environment has no PATH: name the program with its full path");
		return;
	}
	while (path) {
		size_t len = strcspn(path, ":");

		nearest_in(path, len, name, best, sizeof(best), &limit);
		path = path[len] ? path + len + 1 : NULL;
	}
	if (best[0])
		error_hint(err, "did you mean '%s'?", best);
}

int diagnose_missing(const char *name, int errnum, char *const *envp, struct error *err)
{
	switch (errnum) {
	case EACCES:
		error_set(err, ERROR_NOT_EXECUTABLE, EACCES, "exec: \"%s\": permission denied", name);
		return error_hint(
			err,
			"the file has no execute permission for this user: chmod +x it in the image, or name its interpreter");
	case EISDIR:
		return error_set(err, ERROR_NOT_EXECUTABLE, EISDIR, "exec: \"%s\": is a directory", name);
	default:
		break;
	}
	if (strchr(name, '/')) {
		char base[256];
		const char *slash = strrchr(name, '/');
		char best[256] = "";
		size_t limit = 3;

		error_set(err, ERROR_NO_PROGRAM, errnum, "exec: \"%s\": stat %s: %s", name, name,
			  errnum == ENOENT    ? "no such file or directory"
			  : errnum == ENOTDIR ? "not a directory"
					      : error_text(errnum));
		if (errnum == ENOENT && str_copy(base, sizeof(base), slash + 1) == 0) {
			nearest_in(slash == name ? "/" : name, slash == name ? 1 : (size_t)(slash - name), base, best,
				   sizeof(best), &limit);
			if (best[0])
				error_hint(err, "did you mean '%.*s/%s'?", (int)(slash - name), name, best);
		}
		return -err->code;
	}
	error_set(err, ERROR_NO_PROGRAM, ENOENT, "exec: \"%s\": executable file not found in $PATH", name);
	hint_nearest(name, envp, err);
	return -err->code;
}

/* "#!/bin/sh -e\n": the interpreter's path. */
static int diagnose_script(const char *path, const char *head, size_t len, int errnum, struct error *err)
{
	char interpreter[256];
	size_t n = 0;
	size_t i = 2;
	bool crlf;

	while (i < len && (head[i] == ' ' || head[i] == '\t'))
		i++;
	while (i < len && n < sizeof(interpreter) - 1 && !strchr(" \t\n", head[i]) && head[i])
		interpreter[n++] = head[i++];
	crlf = n && interpreter[n - 1] == '\r';
	interpreter[crlf ? n - 1 : n] = '\0';
	if (crlf) {
		error_set(
			err, ERROR_NO_PROGRAM, ENOENT,
			"exec %s: no such file or directory: its first line ends in CRLF, so the kernel looks for '%s\\r'",
			path, interpreter);
		return error_hint(err, "convert the file to Unix line ends: sed -i 's/\\r$//' %s", path);
	}
	if (errnum == ENOENT) {
		error_set(err, ERROR_NO_PROGRAM, ENOENT,
			  "exec %s: no such file or directory: its interpreter '%s' is not in the image", path,
			  interpreter);
		return error_hint(err, "install %s in the image or change the first line of %s", interpreter, path);
	}
	return error_set(err, ERROR_NOT_EXECUTABLE, errnum, "exec %s: %s (interpreter '%s')", path,
			 errnum == EACCES ? "permission denied" : error_text(errnum), interpreter);
}

/* The loader named in an ELF file's PT_INTERP segment; false when there is none or it is out of bounds. */
static bool elf_loader(int fd, const Elf64_Ehdr *eh, char *out, size_t size)
{
	for (size_t i = 0; i < eh->e_phnum && i < 64; i++) {
		Elf64_Phdr ph;
		ssize_t n;

		if (eh->e_phentsize != sizeof(ph) ||
		    pread(fd, &ph, sizeof(ph), (off_t)(eh->e_phoff + i * sizeof(ph))) != (ssize_t)sizeof(ph))
			return false;
		if (ph.p_type != PT_INTERP)
			continue;
		n = pread(fd, out, ph.p_filesz < size ? ph.p_filesz : size - 1, (off_t)ph.p_offset);
		if (n <= 0)
			return false;
		out[(size_t)n < size ? (size_t)n : size - 1] = '\0';
		return out[0] == '/';
	}
	return false;
}

static int diagnose_elf(const char *path, int fd, const char *head, size_t len, int errnum, struct error *err)
{
	char loader[256] = "";
	Elf64_Ehdr eh;
	struct stat st;

	if (len < sizeof(eh))
		return error_set(err, ERROR_NOT_EXECUTABLE, ENOEXEC,
				 "exec %s: exec format error: the file is cut short", path);
	memcpy(&eh, head, sizeof(eh));
	if (errnum == ENOEXEC && OUR_MACHINE != EM_NONE && eh.e_machine != OUR_MACHINE) {
		error_set(err, ERROR_NOT_EXECUTABLE, ENOEXEC,
			  "exec %s: exec format error: it is built for %s, this machine is %s", path,
			  machine_name(eh.e_machine), machine_name(OUR_MACHINE));
		return error_hint(
			err,
			"use an image for this architecture, or install qemu-user-static with its binfmt handlers");
	}
	if (eh.e_ident[EI_CLASS] == ELFCLASS64 && elf_loader(fd, &eh, loader, sizeof(loader)) &&
	    stat(loader, &st) < 0) {
		error_set(err, ERROR_NO_PROGRAM, ENOENT,
			  "exec %s: no such file or directory: its loader '%s' is not in the image", path, loader);
		return error_hint(err,
				  strstr(loader, "musl")
					  ? "the program is built against musl: use an Alpine image or a static build"
					  : "the program is built against glibc: use a glibc image or a static build");
	}
	return error_set(err, errnum == ENOENT ? ERROR_NO_PROGRAM : ERROR_NOT_EXECUTABLE, errnum, "exec %s: %s", path,
			 errnum == EACCES ? "permission denied" : error_text(errnum));
}

int diagnose_exec(const char *path, int errnum, struct error *err)
{
	autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char head[HEAD_BYTES];
	struct stat st;
	ssize_t len = 0;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		len = pread(fd, head, sizeof(head), 0);
	if (len >= 2 && head[0] == '#' && head[1] == '!')
		return diagnose_script(path, head, (size_t)len, errnum, err);
	if (len >= 4 && memcmp(head, ELFMAG, SELFMAG) == 0)
		return diagnose_elf(path, fd, head, (size_t)len, errnum, err);
	if (errnum == ENOEXEC) {
		error_set(err, ERROR_NOT_EXECUTABLE, ENOEXEC, "exec %s: exec format error: %s", path,
			  len == 0 ? "the file is empty" : "it is neither a program of this system nor a script");
		return len > 0 ? error_hint(err,
					    "if it is a script, its first line must name the interpreter: #!/bin/sh")
			       : -ENOEXEC;
	}
	if (errnum == EACCES) {
		error_set(err, ERROR_NOT_EXECUTABLE, EACCES, "exec %s: permission denied", path);
		return error_hint(err,
				  "check the execute bits of the file and of the folders above it, and noexec mounts");
	}
	return error_set(err, errnum == ENOENT ? ERROR_NO_PROGRAM : ERROR_NOT_EXECUTABLE, errnum, "exec %s: %s", path,
			 errnum == ENOENT ? "no such file or directory" : error_text(errnum));
}
