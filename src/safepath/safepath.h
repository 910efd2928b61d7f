/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAFEPATH_SAFEPATH_H
#define SAFEPATH_SAFEPATH_H

/*
 * Paths inside trees that somebody else may change under our hands, procfs that cannot be faked, and the few absolute
 * host paths that are ours. A root is a directory fd. A path is resolved as if the root were "/": ".." at the top stays,
 * absolute symlinks start at the root, magic links are refused; whatever comes out is an fd inside the root, whoever
 * renames meanwhile. Names given with a directory fd are single components ("a/b", "", "." and ".." are refused).
 *
 * All fds returned are owned by the caller and close-on-exec. Everything is async-signal-safe except where "allocates" is
 * said. Errors name the path as the caller wrote it.
 * Source: openat2(2), path_resolution(7), CVE-2019-19921, CVE-2021-30465, CVE-2024-45310, CVE-2025-31133, -52565, -52881
 * (SECURITY.md V03-V08, V17, V26).
 */

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

#define SAFEPATH_MAX_LINKS 40  /* symlinks followed in one resolution, as the kernel's own limit */
#define SAFEPATH_MAX_DEPTH 255 /* components in one resolution */

/* Owner for things made; SAFEPATH_KEEP leaves what the kernel gave. */
struct safepath_owner {
	uid_t uid;
	gid_t gid;
};
#define SAFEPATH_KEEP ((const struct safepath_owner *)NULL)

/* Positive outcome: the thing was not there and has been made. */
#define SAFEPATH_CREATED 1

/* ---- inside a root ---------------------------------------------------------------------------------------------- */

/* Open @path inside the root. @flags: open(2) flags without O_CREAT and O_TMPFILE; O_NOFOLLOW concerns the last component
 * (with O_PATH a symlink itself is opened). Returns the fd, or <0: NOT_FOUND, INVALID (no directory, too many symlinks),
 * DENIED, LIMIT. */
int safepath_open(int root_fd, const char *path, int flags, struct error *err);
/* A directory, for reading; with @o_path only as a place. */
int safepath_open_dir(int root_fd, const char *path, bool o_path, struct error *err);
/* The same for reading, when no symlink is on the way. <0 with code ELOOP: there is one. */
int safepath_open_straight(int root_fd, const char *path, struct error *err);
/* The directory that @path leads to, for reading, and where that is: @ret_true gets its path from the root without symlinks and
 * dots ("": the root itself). Says nothing about later in a tree that somebody changes. Returns the fd or <0 as safepath_open;
 * LIMIT also beyond SAFEPATH_MAX_DEPTH. */
int safepath_open_true(int root_fd, const char *path, char ret_true[static PATH_MAX], struct error *err);
/* The names in the folder @dir_fd (borrowed; where it was read to does not matter), appended to @ret in the order of their bytes;
 * those with a dot in front are left out. Returns 0 or <0: LIMIT (over a million), the system's. */
int safepath_list(int dir_fd, struct strv *ret, struct error *err);

/* Resolve everything but the last component; @name gets that. A trailing slash is ignored. <0 INVALID when the last is
 * "..", "." or nothing. */
int safepath_open_parent(int root_fd, const char *path, char name[static 256], struct error *err);

/* Open the directory @path, making the components that are missing (@mode exactly, @owner). Symlinks resolve inside the
 * root, and what a dangling one names is made there too (images have /var/run -> /run without /run); each new directory
 * is verified to be the one made.
 * @ret_fd: O_PATH directory fd. Returns 0, SAFEPATH_CREATED, or <0: INVALID (something on the way is no directory), DENIED. */
int safepath_mkdir_all(int root_fd, const char *path, mode_t mode, const struct safepath_owner *owner, int *ret_fd,
		       struct error *err);

/* The place to mount on: @path as an O_PATH fd, made (a directory or an empty file, parents too) when missing.
 * @nofollow: the last component may be a symlink, which is then the target itself.
 * Returns 0, SAFEPATH_CREATED, or <0: INVALID (exists, but directory where a file is needed or the reverse), … */
int safepath_make_target(int root_fd, const char *path, bool is_dir, bool nofollow, mode_t mode,
			 const struct safepath_owner *owner, int *ret_fd, struct error *err);

/* The path of @fd as seen from the root we (the process) are in: the text of /proc/self/fd/N. For messages and for checks
 * such as "is the target below /proc"; never for opening. @proc_self_fd: see safepath_proc_self. */
int safepath_name_of(int proc_self_fd, int fd, char *out, size_t size, struct error *err);

/* ---- one component below a directory we hold ----------------------------------------------------------------------- */

/* Is @name one component: 1-255 bytes, no '/', not "." or ".."? */
bool safepath_name_valid(const char *name);

/* Open @name itself: no symlink is followed, no mount entered. @flags without O_CREAT. */
int safepath_child(int dir_fd, const char *name, int flags, struct error *err);
/* Make a directory; @ret_fd (may be NULL) gets an O_PATH fd verified to be a directory with our owner.
 * Returns SAFEPATH_CREATED, 0 (a directory was there), or <0: CONFLICT (something else is there). */
int safepath_mkdir(int dir_fd, const char *name, mode_t mode, const struct safepath_owner *owner, int *ret_fd,
		   struct error *err);
/* Make a regular file that must not exist and open it with @flags (O_RDWR…). <0: CONFLICT. */
int safepath_create_file(int dir_fd, const char *name, int flags, mode_t mode, const struct safepath_owner *owner,
			 struct error *err);
/* <0: CONFLICT when the name is taken. */
int safepath_symlink(int dir_fd, const char *name, const char *target, const struct safepath_owner *owner,
		     struct error *err);
/* @mode: S_IFCHR, S_IFBLK or S_IFIFO with permission bits, set exactly (no umask). @ret_fd (may be NULL): O_PATH, verified. */
int safepath_mknod(int dir_fd, const char *name, mode_t mode, dev_t dev, const struct safepath_owner *owner,
		   int *ret_fd, struct error *err);
/* One call each, for a directory that nobody else can reach yet (a file system just made): nothing is verified, and the
 * umask counts. <0: CONFLICT when the name is taken. */
int safepath_new_dir(int dir_fd, const char *name, mode_t mode, struct error *err);
/* Returns the fd, opened for writing. */
int safepath_new_file(int dir_fd, const char *name, mode_t mode, struct error *err);
int safepath_new_node(int dir_fd, const char *name, mode_t mode, dev_t dev, struct error *err);
/* Hard link of the file @fd (not of a name) as @name. */
int safepath_link_fd(int fd, int dir_fd, const char *name, struct error *err);
/* Hard link of the file @from in @from_dir (itself, no symlink is followed) as @name in @dir_fd. For trees that nobody else
 * changes: needs no right to link by fd. <0: CONFLICT when the name is taken. */
int safepath_link(int from_dir, const char *from, int dir_fd, const char *name, struct error *err);
/* Set access and modification time of @name itself (a symlink is not followed). */
int safepath_set_mtime(int dir_fd, const char *name, const struct timespec *mtime, struct error *err);
/* Not there: success when @missing_ok. */
int safepath_unlink(int dir_fd, const char *name, bool missing_ok, struct error *err);
int safepath_rmdir(int dir_fd, const char *name, bool missing_ok, struct error *err);
/* @flags: RENAME_NOREPLACE, RENAME_EXCHANGE or 0. */
int safepath_rename(int from_fd, const char *from, int to_fd, const char *to, unsigned flags, struct error *err);
/* The target text. @out gets at most @size bytes with NUL. <0: INVALID (no symlink), LIMIT. Returns 0. */
int safepath_readlink(int dir_fd, const char *name, char *out, size_t size, struct error *err);
/* lstat. Returns 0 or -errno (no error text: -ENOENT is often an answer). */
int safepath_stat(int dir_fd, const char *name, struct stat *ret);

/* By the fd alone (O_PATH is fine): owner, permission bits. */
int safepath_chown(int fd, uid_t uid, gid_t gid, struct error *err);
int safepath_chmod(int fd, mode_t mode, struct error *err);
/* A fresh open file of the object an O_PATH fd refers to (through @proc_self_fd = safepath_proc_self(p, "", …), verified). */
int safepath_reopen(int proc_self_fd, int fd, int flags, struct error *err);

/* ---- trees ------------------------------------------------------------------------------------------------------------ */

/* Remove @name with everything below: follows no symlink, leaves other mounts alone (then <0 BUSY), works at any depth
 * with a fixed number of fds. A racing writer may make it fail with CONFLICT, never make it leave the tree.
 * Not there: success. Allocates (bounded by depth). */
int safepath_remove_tree(int dir_fd, const char *name, struct error *err);

/* One object of a walk. */
struct safepath_entry {
	int dir_fd; /* borrowed; the directory it is in */
	const char *name;
	const char *path;      /* from the start of the walk, for messages and records: "a/b" */
	const struct stat *st; /* lstat */
	size_t depth;          /* 0: directly in the start directory */
};
enum safepath_walk_order { SAFEPATH_PRE, SAFEPATH_POST };
/* @fn's result: 0 go on; 1 (directories, SAFEPATH_PRE): do not enter; <0: stop with that (err filled by fn). */
typedef int (*safepath_walk_fn)(const struct safepath_entry *e, void *arg, struct error *err);
/* Visit everything below @dir_fd (not itself) in directory order, following nothing and entering no other mount; at most
 * @max_entries and 4096 levels (<0 LIMIT). Allocates. */
int safepath_walk(int dir_fd, enum safepath_walk_order order, uint64_t max_entries, safepath_walk_fn fn, void *arg,
		  struct error *err);

struct safepath_copy_limits {
	uint64_t max_entries, max_bytes; /* <0 LIMIT beyond */
};
/* Copy what is in @src_dir into the empty @dst_dir, keeping types, modes, owners, times, xattrs, symlinks, devices and hard
 * links' contents (as separate files); sockets are left out. Nothing is followed, no other mount is entered. @src_dir itself
 * gives its mode and owner to @dst_dir. For tmpcopyup and volumes. Allocates. */
int safepath_copy_up(int src_dir, int dst_dir, const struct safepath_copy_limits *limits, struct error *err);

/* ---- procfs ------------------------------------------------------------------------------------------------------------- */

struct safepath_proc {
	int fd;             /* owned; the root of a procfs that shows our pid namespace */
	bool private_mount; /* a detached mount of our own: nothing can be mounted over it */
};
#define SAFEPATH_PROC_NONE ((struct safepath_proc){.fd = FD_NONE})
#define autoproc __attribute__((cleanup(safepath_proc_close)))

/* A procfs that nobody else can cover: fsopen("proc") (with @pid_only its subset=pid form, which has no "sys"), else a
 * private clone of /proc, else /proc itself when it is verified to be procfs' root (fstatfs magic and inode 1). A handle
 * shows the pid namespace of the process that opened it; a child in a new one opens its own.
 * Returns 0, or <0: UNSUPPORTED (no trustworthy procfs: /proc is missing or fake). */
int safepath_proc_open(struct safepath_proc *ret, bool pid_only, struct error *err);
/* Use the procfs whose root is @fd_take (verified the same way). */
int safepath_proc_from_fd(int fd_take, struct safepath_proc *ret, struct error *err);
void safepath_proc_close(struct safepath_proc *p);

/* Open @rel ("attr/exec", "" for the directory itself) of the calling process. No symlink is followed and no mount entered
 * on the way; the result is verified to be on procfs. One exception: a magic link named directly by @rel ("ns/net", "fd/7",
 * "exe", "cwd", "root"), opened without O_NOFOLLOW, gives the object it stands for. */
int safepath_proc_self(const struct safepath_proc *p, const char *rel, int flags, struct error *err);
/* The same of process @pid (as numbered in the pid namespace of the handle). Compare with a pidfd after opening where the
 * process is not our own child. */
int safepath_proc_pid(const struct safepath_proc *p, pid_t pid, const char *rel, int flags, struct error *err);
/* A file below /proc/sys ("net/ipv4/ip_forward"), or other global ones with @below_sys false ("cpuinfo"). */
int safepath_proc_global(const struct safepath_proc *p, bool below_sys, const char *rel, int flags, struct error *err);
/* Write sysctl @key ("net.ipv4.ip_forward"; '/' and '.' as sysctl(8) treats them: the first kind seen separates) = @value.
 * <0: NOT_FOUND (no such sysctl), INVALID (value refused), DENIED. */
int safepath_proc_write_sysctl(const struct safepath_proc *p, const char *key, const char *value, struct error *err);
/* Read a small file of ours or of @pid > 0 into @out (bounded by the buffer). Allocates. */
int safepath_proc_read(const struct safepath_proc *p, pid_t pid, const char *rel, struct buf *out, struct error *err);

/* ---- the host's own paths (trusted: given by the user or by us, never by a container) -------------------------------- */

/* open(2) with O_CLOEXEC. */
int safepath_host_open(const char *path, int flags, mode_t mode, struct error *err);
/* O_PATH | O_DIRECTORY. */
int safepath_host_open_dir(const char *path, struct error *err);
/* mkdir -p. Existing parts are left as they are. Returns 0 or SAFEPATH_CREATED. */
int safepath_host_mkdir_all(const char *path, mode_t mode, struct error *err);
int safepath_host_unlink(const char *path, bool missing_ok, struct error *err);
int safepath_host_rename(const char *from, const char *to, struct error *err);
int safepath_host_stat(const char *path, struct stat *ret); /* follows; 0 or -errno */
int safepath_host_readlink(const char *path, char *out, size_t size, struct error *err);
/* The absolute path of an open file or folder, from /proc/self/fd. <0 LIMIT. */
int safepath_host_name_of(int fd, char *out, size_t size, struct error *err);
/* The absolute form of @path, symlinks resolved as realpath(3). Allocates; free(3). */
int safepath_host_realpath(const char *path, char **ret, struct error *err);
/* The path of our own program, to find what is installed beside it. A copy of us that runs from a detached mount or from
 * memory has none: it is told by the process that made it, in SAFEPATH_SELF_ENV. */
#define SAFEPATH_SELF_ENV "BOTHY_SELF"
int safepath_host_self(char *out, size_t size, struct error *err);
/* Read a whole small file, bounded by the buffer. @regular_only: opened non-blocking, refused unless a regular file (V15).
 * Allocates. */
int safepath_host_read(const char *path, bool regular_only, struct buf *out, struct error *err);

/* A directory for our state: made when missing (parents 0755, itself 0700), then verified: a directory, owned by us, not
 * writable by group or others (V23). Returns an fd for reading and *at() calls. <0: DENIED (somebody else's). */
int safepath_state_open(const char *path, struct error *err);

/* A name ".@prefix-<random>" for what is renamed when it is whole: nobody else uses the same, in whichever pid namespace. */
#define SAFEPATH_TEMPORARY_MAX 48
void safepath_temporary_name(const char *prefix, char out[static SAFEPATH_TEMPORARY_MAX]);
/* Replace @name in @dir_fd by a new file with this content: temporary name, rename, with @durable fsync of file and
 * directory. After a crash either the old or the new is there, never a part (after a power cut only with @durable). */
int safepath_write_file(int dir_fd, const char *name, const void *data, size_t len, mode_t mode, bool durable,
			struct error *err);
/* Read a regular file of ours. <0: NOT_FOUND, LIMIT (larger than the buffer's maximum), INVALID (no regular file). Allocates. */
int safepath_read_file(int dir_fd, const char *name, struct buf *out, struct error *err);
/* A file or folder that a command writes for its user: whole under its name, or not there. */
struct safepath_output {
	int fd;     /* owned; where to write: the file (also for reading), or the folder */
	int dir_fd; /* owned; the folder that holds it; FD_NONE: written directly (a fifo, a device) */
	char *name; /* owned */
	char temporary[SAFEPATH_TEMPORARY_MAX]; /* "": it has no name yet */
	bool folder;
};
#define SAFEPATH_OUTPUT_NONE ((struct safepath_output){.fd = FD_NONE, .dir_fd = FD_NONE})
/* Begin to write @path. Nothing is seen there before the commit, and nothing is left without one (a process that is killed
 * leaves a folder ".bothy-…", a file only where the file system has no O_TMPFILE). Mode as the umask says. */
int safepath_output_open(const char *path, bool folder, struct safepath_output *ret, struct error *err);
/* Give it its name: a file replaces what was there, a folder only an empty one (<0 with a hint otherwise). Not synced. */
int safepath_output_commit(struct safepath_output *o, struct error *err);
void safepath_output_done(struct safepath_output *o);

/* Open (make) the lock file @name and take flock(2) on it; @wait false: <0 BUSY when another has it. The file is verified
 * to be still the one named after locking. Closing the fd unlocks. @exclusive false: shared. */
int safepath_lock(int dir_fd, const char *name, bool exclusive, bool wait, struct error *err);

#endif
