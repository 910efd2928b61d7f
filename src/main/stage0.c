/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The very first instructions of bothy-oci, before the C library starts.
 *
 * Whoever enters a container without a user namespace between them must run from a copy of this program that cannot be
 * written (CVE-2019-5736; runtime/selfexe.c has the reason and the full form). That takes a second exec, and starting the
 * C library a second time costs more than all of the container's mounts (its CPU detection traps into the hypervisor on
 * virtual machines, some 0.5 ms). So the common form is done here with a handful of raw system calls: when root asks for
 * create, run or exec and the file is on a writable mount, run again from a read-only clone of that mount.
 *
 * Nothing here may need the C library: no relocated data, no thread-local storage, no stack protector (see meson.build).
 * Whatever fails, the ordinary start goes on and runtime_protect_self() does it the long way, or says why it can't.
 */
#include <fcntl.h>
#include <linux/mount.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#define ST_RDONLY 1 /* of f_flags; statvfs.h would bring in the C library's own */

static inline long call5(long n, long a, long b, long c, long d, long e)
{
#if defined(__x86_64__)
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return ret;
#else
#error "stage0 is built for x86-64 only"
#endif
}

static inline int is_word(const char *s, const char *word)
{
	while (*s && *s == *word) {
		s++;
		word++;
	}
	return *s == *word;
}

/* Is one of the verbs that enter containers among the words? (A false match costs a needless exec, nothing else.) */
static int enters(long argc, char **argv)
{
	for (long i = 1; i < argc; i++)
		if (is_word(argv[i], "run") || is_word(argv[i], "create") || is_word(argv[i], "exec"))
			return 1;
	return 0;
}

void stage0(long *stack);
void stage0(long *stack)
{
	const long argc = stack[0];
	char **argv = (char **)(stack + 1);
	char **envp = argv + argc + 1;
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};
	struct statfs fs;
	long exe;
	long tree = -1;

	if (!enters(argc, argv) || call5(SYS_geteuid, 0, 0, 0, 0, 0) != 0)
		return;
	exe = call5(SYS_openat, AT_FDCWD, (long)"/proc/self/exe", O_RDONLY | O_CLOEXEC, 0, 0);
	if (exe < 0)
		return;
	if (call5(SYS_fstatfs, exe, (long)&fs, 0, 0, 0) == 0 && !(fs.f_flags & ST_RDONLY))
		tree = call5(SYS_open_tree, exe, (long)"", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC, 0, 0);
	if (tree >= 0) {
		if (call5(SYS_mount_setattr, tree, (long)"", AT_EMPTY_PATH, (long)&attr, sizeof(attr)) == 0)
			(void)call5(SYS_execveat, tree, (long)"", (long)argv, (long)envp, AT_EMPTY_PATH);
		(void)call5(SYS_close, tree, 0, 0, 0, 0);
	}
	(void)call5(SYS_close, exe, 0, 0, 0, 0);
}

/* The ELF entry point: hand the initial stack to stage0, then start as every program does. */
__asm__(".text\n"
	".globl bothy_start\n"
	".type bothy_start, @function\n"
	"bothy_start:\n"
	"	endbr64\n"
	"	xor %ebp, %ebp\n"
	"	mov %rdx, %r12\n" /* what the kernel gave to _start: a function to register, or 0 */
	"	mov %rsp, %rdi\n"
	"	mov %rsp, %r13\n"
	"	and $-16, %rsp\n"
	"	call stage0\n"
	"	mov %r13, %rsp\n"
	"	mov %r12, %rdx\n"
	"	jmp _start\n");
