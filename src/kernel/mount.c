/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mount API by file descriptor. A mount is made detached (fsopen … fsmount, or open_tree as a clone), given its
 * attributes while nobody can see it, and attached to a place that the caller holds as an fd. No target is ever named by
 * a path that somebody else could change.
 *
 * What it does not do: decide options, resolve paths inside a root (safepath/), remember what was mounted.
 *
 * <linux/mount.h> and glibc 2.36's <sys/mount.h> define the same structs, so only the kernel's header is used here and the
 * calls are made by number.
 */
#include "kernel/mount.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"

#ifndef MNT_DETACH
#define MNT_DETACH 2
#define UMOUNT_NOFOLLOW 8
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

/* fsconfig(2) copies a string value with strndup_user(value, 256). */
#define VALUE_MAX 255
#define KEY_MAX 255
#define FD_PATH_MAX 32

static void fd_path(char out[static FD_PATH_MAX], int fd)
{
	(void)snprintf(out, FD_PATH_MAX, "/proc/self/fd/%d", fd);
}

/* A missing call and one that an outer filter refuses look alike to the user. */
static int missing_call(struct error *err, const char *call, int errnum)
{
	error_set(err, ERROR_UNSUPPORTED, errnum, "the kernel, or a filter around this process, has no %s", call);
	return error_hint(
		err,
		"Linux 5.4 or newer is needed; inside another container, its seccomp profile must allow the mount calls");
}

/* ---- new superblocks ---------------------------------------------------------------------------------------------- */

/* What the file system itself says about a failure: lines "e text". Joined into @out; true when there was any. */
static bool read_messages(int fs, char *out, size_t size)
{
	char line[256];
	size_t used = 0;

	out[0] = '\0';
	for (int i = 0; i < 8; i++) {
		ssize_t n = read(fs, line, sizeof(line) - 1);
		int w;

		if (n <= 2)
			break;
		line[n] = '\0';
		if (line[n - 1] == '\n')
			line[n - 1] = '\0';
		if (line[0] != 'e' || used >= size)
			continue;
		w = snprintf(out + used, size - used, "%s%s", used ? "; " : "", line + 2);
		used += w > 0 ? (size_t)w : 0;
	}
	return out[0] != '\0';
}

static int config(int fs, unsigned cmd, const char *key, const char *value, int aux)
{
	return syscall(SYS_fsconfig, fs, cmd, key, value, aux) < 0 ? -errno : 0;
}

static int option_error(struct error *err, int fs, const char *fstype, const char *key, const char *value, int errnum)
{
	char text[256];
	bool said = read_messages(fs, text, sizeof(text));

	if (errnum == ENOSYS)
		return missing_call(err, "fsconfig", errnum);
	if (errnum == EPERM || errnum == EACCES)
		return error_set(err, ERROR_DENIED, errnum, "option '%s' of file system '%s' is not allowed%s%s", key,
				 fstype, said ? ": " : "", text);
	return error_set(err, ERROR_INVALID, errnum, "file system '%s' refuses option '%s%s%.100s': %s", fstype, key,
			 value ? "=" : "", value ? value : "", said ? text : error_text(errnum));
}

static int set_option(int fs, const char *fstype, const char *key, const char *value, int fd, struct error *err)
{
	int r;

	if (value && strlen(value) > VALUE_MAX)
		return error_set(err, ERROR_LIMIT, E2BIG,
				 "option '%s' of file system '%s' is %zu bytes long; the kernel takes %d", key, fstype,
				 strlen(value), VALUE_MAX);
	if (value)
		r = config(fs, FSCONFIG_SET_STRING, key, value, 0);
	else if (fd >= 0)
		r = config(fs, FSCONFIG_SET_FD, key, NULL, fd);
	else
		r = config(fs, FSCONFIG_SET_FLAG, key, NULL, 0);
	return r < 0 ? option_error(err, fs, fstype, key, value, -r) : 0;
}

/* The end of the option that starts at @p: a comma outside double quotes and not behind a backslash (SELinux contexts hold
 * commas in quotes, overlay paths hold them escaped). */
static const char *option_end(const char *p)
{
	bool quoted = false;

	for (; *p; p++) {
		if (*p == '\\' && p[1])
			p++;
		else if (*p == '"')
			quoted = !quoted;
		else if (*p == ',' && !quoted)
			break;
	}
	return p;
}

static int set_data_option(int fs, const char *fstype, const char *p, size_t len, struct error *err)
{
	char text[KEY_MAX + 1 + VALUE_MAX + 3];
	char *value;

	if (len >= sizeof(text))
		return error_set(err, ERROR_LIMIT, E2BIG, "an option of file system '%s' is %zu bytes long ('%.40s…')",
				 fstype, len, p);
	memcpy(text, p, len);
	text[len] = '\0';
	value = strchr(text, '=');
	if (value) {
		size_t n;

		*value++ = '\0';
		n = strlen(value);
		if (n >= 2 && value[0] == '"' && value[n - 1] == '"') {
			value[n - 1] = '\0';
			value++;
		}
	}
	return set_option(fs, fstype, text, value, FD_NONE, err);
}

static int set_data(int fs, const char *fstype, const char *data, struct error *err)
{
	while (data && *data) {
		const char *end = option_end(data);

		if (end > data) {
			int r = set_data_option(fs, fstype, data, (size_t)(end - data), err);

			if (r < 0)
				return r;
		}
		data = *end ? end + 1 : end;
	}
	return 0;
}

static int set_sb_flags(int fs, const char *fstype, uint64_t flags, struct error *err)
{
	static const struct {
		uint64_t flag;
		const char *key;
	} table[] = {
		{MS_RDONLY, "ro"},         {MS_SYNCHRONOUS, "sync"}, {MS_DIRSYNC, "dirsync"},
		{MS_LAZYTIME, "lazytime"}, {MS_MANDLOCK, "mand"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		int r = 0;

		if (flags & table[i].flag)
			r = set_option(fs, fstype, table[i].key, NULL, FD_NONE, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int create_error(struct error *err, int fs, const char *fstype, int errnum)
{
	char text[256];

	if (!read_messages(fs, text, sizeof(text)))
		return error_sys(err, errnum, "create a file system of type '%s'", fstype);
	return error_set(err, errnum == EINVAL ? ERROR_INVALID : error_kind_from_errno(errnum), errnum,
			 "create a file system of type '%s': %s: %s", fstype, error_text(errnum), text);
}

static int open_fs(const char *fstype, struct error *err)
{
	long fs = syscall(SYS_fsopen, fstype, FSOPEN_CLOEXEC);

	if (fs >= 0)
		return (int)fs;
	if (errno == ENOSYS)
		return missing_call(err, "fsopen", errno);
	if (errno == ENODEV)
		return error_set(err, ERROR_UNSUPPORTED, ENODEV, "this kernel has no file system called '%s'", fstype);
	return error_sys(err, errno, "open a file system of type '%s'", fstype);
}

int mount_new(const char *fstype, const char *source, const struct mount_param *params, size_t count, const char *data,
	      uint64_t sb_flags, uint64_t attrs, struct error *err)
{
	autofd int fs = open_fs(fstype, err);

	return fs < 0 ? fs : mount_new_from(fs, fstype, source, params, count, data, sb_flags, attrs, err);
}

int mount_new_from(int fs, const char *fstype, const char *source, const struct mount_param *params, size_t count,
		   const char *data, uint64_t sb_flags, uint64_t attrs, struct error *err)
{
	long fd;
	int r;

	if (source && *source) {
		r = set_option(fs, fstype, "source", source, FD_NONE, err);
		if (r < 0)
			return r;
	}
	r = set_sb_flags(fs, fstype, sb_flags, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		r = set_option(fs, fstype, params[i].key, params[i].value, params[i].value ? FD_NONE : params[i].fd,
			       err);
		if (r < 0)
			return r;
	}
	r = set_data(fs, fstype, data, err);
	if (r < 0)
		return r;
	r = config(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	if (r < 0)
		return create_error(err, fs, fstype, -r);
	fd = syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, (unsigned)attrs);
	if (fd < 0)
		return create_error(err, fs, fstype, errno);
	return (int)fd;
}

/* ---- clones, attributes, places ------------------------------------------------------------------------------------- */

int mount_clone(int dirfd, const char *path, bool recursive, int flags, struct error *err)
{
	unsigned how = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (unsigned)flags;
	const char *name = *path ? path : "the directory held";
	long fd;

	if (recursive)
		how |= AT_RECURSIVE;
	if (!*path)
		how |= AT_EMPTY_PATH;
	fd = syscall(SYS_open_tree, dirfd, path, how);
	if (fd >= 0)
		return (int)fd;
	if (errno == ENOSYS)
		return missing_call(err, "open_tree", errno);
	if (errno == EINVAL && !recursive) {
		error_sys(err, errno, "clone the mount at '%s'", name);
		return error_hint(
			err,
			"inside a user namespace, what other mounts cover can only be bound together with them: use rbind");
	}
	return error_sys(err, errno, "clone the mount%s at '%s'", recursive ? "s" : "", name);
}

/* MOUNT_ATTR_* in the words of mount(2); the values were made alike, but for these. */
static unsigned long attrs_to_ms(uint64_t attrs)
{
	unsigned long ms = attrs & (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);

	switch (attrs & MOUNT_ATTR__ATIME) {
	case MOUNT_ATTR_NOATIME:
		ms |= MS_NOATIME;
		break;
	case MOUNT_ATTR_STRICTATIME:
		ms |= MS_STRICTATIME;
		break;
	default:
		ms |= MS_RELATIME;
	}
	if (attrs & MOUNT_ATTR_NODIRATIME)
		ms |= MS_NODIRATIME;
	if (attrs & MOUNT_ATTR_NOSYMFOLLOW)
		ms |= 256; /* MS_NOSYMFOLLOW, 5.10 */
	return ms;
}

/* Before 5.12: a bind remount, which the kernel allows for attached mounts only. */
static int set_attrs_old(int fd, uint64_t set, uint64_t clr, struct error *err)
{
	char path[FD_PATH_MAX];
	uint64_t now = 0;
	int r = mount_get_attrs(fd, &now);

	if (r < 0)
		return error_sys(err, -r, "read the attributes of a mount");
	now = (now & ~clr) | set;
	fd_path(path, fd);
	if (syscall(SYS_mount, NULL, path, NULL, MS_REMOUNT | MS_BIND | attrs_to_ms(now), NULL) < 0)
		return errno == EINVAL
			       ? missing_call(err, "mount_setattr (Linux 5.12), and the mount is not attached yet",
					      ENOSYS)
			       : error_sys(err, errno, "change the attributes of a mount");
	return 0;
}

static int set_attrs_error(struct error *err, int fd, bool idmap, uint64_t set, int errnum)
{
	if (idmap) {
		error_set(err, ERROR_UNSUPPORTED, errnum, "map the ids of a mount of file system '%s': %s",
			  mount_fs_name(fd), error_text(errnum));
		return error_hint(
			err,
			"this kernel cannot map ids on that file system; use another one, or no id mapping for this mount");
	}
	if (errnum == EPERM) {
		error_set(err, ERROR_DENIED, errnum,
			  "change the attributes of a mount: a flag is locked by the user namespace that owns it");
		return error_hint(err, "keep nosuid, nodev, noexec, ro and the atime option of the source mount");
	}
	for (uint64_t bit = 1; bit && bit <= set; bit <<= 1)
		if (errnum == EINVAL && (set & bit) && bit >= MOUNT_ATTR_NOSYMFOLLOW)
			return error_set(err, ERROR_UNSUPPORTED, errnum, "this kernel has no mount attribute '%s'",
					 mount_attr_name(bit));
	return error_sys(err, errnum, "change the attributes of a mount of file system '%s'", mount_fs_name(fd));
}

int mount_set_attrs(int fd, uint64_t attr_set, uint64_t attr_clr, uint64_t propagation, int userns_fd, bool recursive,
		    struct error *err)
{
	struct mount_attr attr = {.attr_set = attr_set, .attr_clr = attr_clr, .propagation = propagation};
	int r;

	if ((attr_set | attr_clr) & MOUNT_ATTR__ATIME)
		attr.attr_clr |= MOUNT_ATTR__ATIME;
	if (userns_fd >= 0) {
		attr.attr_set |= MOUNT_ATTR_IDMAP;
		attr.userns_fd = (uint64_t)userns_fd;
	}
	if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr, sizeof(attr)) ==
	    0)
		return 0;
	if (errno != ENOSYS)
		return set_attrs_error(err, fd, userns_fd >= 0, attr.attr_set, errno);
	if (userns_fd >= 0 || recursive)
		return missing_call(err, "mount_setattr (Linux 5.12)", ENOSYS);
	if (attr.attr_set | attr.attr_clr) {
		r = set_attrs_old(fd, attr.attr_set, attr.attr_clr, err);
		if (r < 0)
			return r;
	}
	return propagation ? mount_set_propagation(fd, propagation, recursive, err) : 0;
}

int mount_attach(int fd, int target_fd, const char *name, struct error *err)
{
	if (syscall(SYS_move_mount, fd, "", target_fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) == 0)
		return 0;
	if (errno == ENOSYS)
		return missing_call(err, "move_mount", errno);
	return error_sys(err, errno, "mount on '%s'", name);
}

int mount_attach_at(int fd, int dirfd, const char *path, struct error *err)
{
	if (syscall(SYS_move_mount, fd, "", dirfd, path, MOVE_MOUNT_F_EMPTY_PATH) == 0)
		return 0;
	if (errno == ENOSYS)
		return missing_call(err, "move_mount", errno);
	return error_sys(err, errno, "mount on '%s'", path);
}

int mount_set_propagation(int target_fd, uint64_t propagation, bool recursive, struct error *err)
{
	struct mount_attr attr = {.propagation = propagation};
	char path[FD_PATH_MAX];

	if (syscall(SYS_mount_setattr, target_fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr,
		    sizeof(attr)) == 0)
		return 0;
	if (errno != ENOSYS && errno != EPERM)
		return error_sys(err, errno, "change the propagation of a mount");
	fd_path(path, target_fd);
	if (syscall(SYS_mount, NULL, path, NULL, propagation | (recursive ? MS_REC : 0UL), NULL) < 0)
		return error_sys(err, errno, "change the propagation of a mount");
	return 0;
}

static int take_away(int dirfd, const char *path, int flags, struct error *err)
{
	autofd int back = FD_NONE;
	char self[FD_PATH_MAX];
	long r;

	/* umount2 takes no directory fd. Going there needs no procfs; a file's mount can only be named through it. */
	if (dirfd == AT_FDCWD) {
		r = syscall(SYS_umount2, path, flags | UMOUNT_NOFOLLOW);
	} else {
		back = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fchdir(dirfd) == 0) {
			r = syscall(SYS_umount2, *path ? path : ".", flags | UMOUNT_NOFOLLOW);
			r = r < 0 ? -errno : 0;
			if (back >= 0 && fchdir(back) < 0)
				return error_sys(err, errno, "return to the working directory");
			errno = (int)-r;
		} else {
			fd_path(self, dirfd);
			r = *path ? -1 : syscall(SYS_umount2, self, flags);
		}
	}
	return r < 0 ? error_sys(err, errno, "unmount '%s'", *path ? path : "the place held") : 0;
}

int mount_detach(int dirfd, const char *path, struct error *err)
{
	return take_away(dirfd, path, MNT_DETACH, err);
}

int mount_remove(int dirfd, const char *path, struct error *err)
{
	return take_away(dirfd, path, 0, err);
}

int mount_overlay_read_only(const int *layers, size_t count, int target_fd, struct error *err)
{
	autofd int names = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	autofd int back = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char options[4096], target[16]; /* mount(2) takes a page */
	int len = snprintf(options, sizeof(options), "userxattr,lowerdir=");
	int r = 0;

	for (size_t i = 0; i < count && len < (int)sizeof(options); i++)
		len += snprintf(options + len, sizeof(options) - (size_t)len, "%s%d", i ? ":" : "", layers[i]);
	if (len >= (int)sizeof(options))
		return error_set(err, ERROR_LIMIT, E2BIG, "overlay: %zu layers are too many for one mount", count);
	(void)snprintf(target, sizeof(target), "%d", target_fd);
	if (names < 0 || back < 0 || fchdir(names) < 0)
		return error_sys(err, errno, "overlay: enter /proc/self/fd");
	if (syscall(SYS_mount, "overlay", target, "overlay", MS_RDONLY | MS_NODEV | MS_NOSUID, options) < 0)
		r = errno;
	if (fchdir(back) < 0 && r == 0)
		r = errno;
	return r ? error_sys(err, r, "overlay of %zu layers", count) : 0;
}

/* ---- the root --------------------------------------------------------------------------------------------------------- */

int mount_pivot(int root_fd, struct error *err)
{
	autofd int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (old < 0)
		return error_sys(err, errno, "open the present root directory");
	if (fchdir(root_fd) < 0)
		return error_sys(err, errno, "enter the container's root directory");
	if (syscall(SYS_pivot_root, ".", ".") < 0) {
		int errnum = errno;

		error_sys(err, errnum, "make the container's root directory '/' (pivot_root)");
		if (errnum == EINVAL)
			error_hint(
				err,
				"the present root is a ramfs or initramfs, or mounts are shared: --no-pivot works there");
		return -errnum;
	}
	/* The old root now lies on top of the new one. Without the slave step its unmounting would propagate to the host. */
	if (fchdir(old) < 0)
		return error_sys(err, errno, "enter the old root directory");
	if (syscall(SYS_mount, NULL, ".", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return error_sys(err, errno, "cut the old root off from the host's mounts");
	if (syscall(SYS_umount2, ".", MNT_DETACH) < 0)
		return error_sys(err, errno, "unmount the old root");
	if (chdir("/") < 0)
		return error_sys(err, errno, "enter the new root directory");
	return 0;
}

#define MOUNTINFO_MAX (8u << 20) /* some 50k mounts; more would mean something is wrong */

/* All of /proc/self/mountinfo in an anonymous mapping (no heap here) of MOUNTINFO_MAX bytes, or NULL. */
static char *map_mountinfo(struct error *err)
{
	autofd int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	char *text;

	if (fd < 0) {
		error_sys(err, errno, "read the list of mounts");
		return NULL;
	}
	text = mmap(NULL, MOUNTINFO_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (text == MAP_FAILED) {
		error_sys(err, errno, "read the list of mounts");
		return NULL;
	}
	/* A fresh private mapping costs only the pages that are read into. */
	while (used < MOUNTINFO_MAX - 1) {
		ssize_t n = read(fd, text + used, MOUNTINFO_MAX - 1 - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		used += (size_t)n;
	}
	text[used] = '\0';
	return text;
}

/* Octal escapes of mountinfo ("\040") back to bytes, in place. */
static void unescape(char *s)
{
	char *out = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' &&
		    s[3] <= '7') {
			*out++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*out++ = *s;
		}
	}
	*out = '\0';
}

/* One line of mountinfo: mount point (field 5) and file system type (first field behind " - "), cut out in place. */
static bool parse_mount_line(char *line, char **ret_point, char **ret_type)
{
	char *type = strstr(line, " - ");
	char *p = line;

	if (!type)
		return false;
	for (int field = 0; field < 4; field++) {
		p = strchr(p, ' ');
		if (!p)
			return false;
		p++;
	}
	*ret_point = p;
	*ret_type = type + 3;
	type[3 + strcspn(type + 3, " ")] = '\0';
	p[strcspn(p, " ")] = '\0';
	unescape(p);
	return true;
}

/* Take away one procfs or sysfs of the host; where the kernel does not let us (locked mounts), hide it. */
static int remove_mount(const char *point, struct error *err)
{
	int fd;
	int r;

	(void)syscall(SYS_mount, NULL, point, NULL, MS_PRIVATE | MS_REC,
		      NULL); /* else the unmount below fails and hides it */
	if (syscall(SYS_umount2, point, MNT_DETACH | UMOUNT_NOFOLLOW) == 0 || errno == ENOENT)
		return 0;
	if (errno != EINVAL && errno != EPERM)
		return error_sys(err, errno, "unmount '%s' of the host", point);
	fd = mount_new("tmpfs", "tmpfs", NULL, 0, "mode=000,nr_inodes=2", MS_RDONLY, MOUNT_ATTR_RDONLY, err);
	if (fd < 0)
		return fd;
	r = mount_attach_at(fd, AT_FDCWD, point, err);
	fd_close(&fd);
	return r;
}

static bool path_is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

static int remove_host_proc(const char *root, struct error *err)
{
	char *text = map_mountinfo(err);
	int r = 0;

	if (!text)
		return -err->code;
	for (char *line = text; r == 0 && *line;) {
		char *end = strchrnul(line, '\n');
		bool last = *end == '\0';
		char *point;
		char *type;

		*end = '\0';
		if (parse_mount_line(line, &point, &type) && (str_eq(type, "proc") || str_eq(type, "sysfs")) &&
		    !path_is_below(point, root))
			r = remove_mount(point, err);
		line = last ? end : end + 1;
	}
	munmap(text, MOUNTINFO_MAX);
	return r;
}

int mount_move_root(int root_fd, struct error *err)
{
	char root[4096];
	int r;

	if (fchdir(root_fd) < 0)
		return error_sys(err, errno, "enter the container's root directory");
	if (!getcwd(root, sizeof(root)) || root[0] != '/')
		return error_set(err, ERROR_INVALID, ENOENT,
				 "the container's root directory is outside the present root");
	r = remove_host_proc(root, err);
	if (r < 0)
		return r;
	if (syscall(SYS_mount, ".", "/", NULL, MS_MOVE, NULL) < 0)
		return error_sys(err, errno, "move the container's root directory over '/'");
	if (chroot(".") < 0)
		return error_sys(err, errno, "make the container's root directory '/' (chroot)");
	if (chdir("/") < 0)
		return error_sys(err, errno, "enter the new root directory");
	return 0;
}

/* ---- facts for messages ---------------------------------------------------------------------------------------------- */

int mount_get_attrs(int fd, uint64_t *ret_attrs)
{
	struct statfs fs;
	uint64_t attrs;

	if (fstatfs(fd, &fs) < 0)
		return -errno;
	/* ST_RDONLY, ST_NOSUID, ST_NODEV, ST_NOEXEC have the values of their MOUNT_ATTR_ brothers. */
	attrs = (uint64_t)fs.f_flags & (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (fs.f_flags & MS_NOATIME)
		attrs |= MOUNT_ATTR_NOATIME;
	else if (!(fs.f_flags & 0x1000)) /* ST_RELATIME */
		attrs |= MOUNT_ATTR_STRICTATIME;
	if (fs.f_flags & MS_NODIRATIME)
		attrs |= MOUNT_ATTR_NODIRATIME;
	if (fs.f_flags & 0x2000) /* ST_NOSYMFOLLOW */
		attrs |= MOUNT_ATTR_NOSYMFOLLOW;
	*ret_attrs = attrs;
	return 0;
}

const char *mount_fs_name(int fd)
{
	static const struct {
		unsigned long magic;
		const char *name;
	} table[] = {
		{EXT4_SUPER_MAGIC, "ext4"},
		{BTRFS_SUPER_MAGIC, "btrfs"},
		{0x58465342, "xfs"},
		{OVERLAYFS_SUPER_MAGIC, "overlay"},
		{TMPFS_MAGIC, "tmpfs"},
		{RAMFS_MAGIC, "ramfs"},
		{PROC_SUPER_MAGIC, "proc"},
		{SYSFS_MAGIC, "sysfs"},
		{DEVPTS_SUPER_MAGIC, "devpts"},
		{CGROUP_SUPER_MAGIC, "cgroup"},
		{CGROUP2_SUPER_MAGIC, "cgroup2"},
		{NFS_SUPER_MAGIC, "nfs"},
		{0xff534d42, "cifs"},
		{0xfe534d42, "smb3"},
		{F2FS_SUPER_MAGIC, "f2fs"},
		{0x2fc12fc1, "zfs"},
		{FUSE_SUPER_MAGIC, "fuse"},
		{V9FS_MAGIC, "9p"},
		{SQUASHFS_MAGIC, "squashfs"},
		{EROFS_SUPER_MAGIC_V1, "erofs"},
		{ISOFS_SUPER_MAGIC, "iso9660"},
		{MSDOS_SUPER_MAGIC, "vfat"},
		{0x2011bab0, "exfat"},
		{0x5346544e, "ntfs"},
		{BPF_FS_MAGIC, "bpf"},
		{TRACEFS_MAGIC, "tracefs"},
		{DEBUGFS_MAGIC, "debugfs"},
		{SECURITYFS_MAGIC, "securityfs"},
		{NSFS_MAGIC, "nsfs"},
		{0x19800202, "mqueue"},
		{0x00c36400, "ceph"},
		{0xca451a4e, "bcachefs"},
		{ECRYPTFS_SUPER_MAGIC, "ecryptfs"},
	};
	struct statfs fs;

	if (fstatfs(fd, &fs) == 0)
		for (size_t i = 0; i < ARRAY_SIZE(table); i++)
			if ((unsigned long)fs.f_type == table[i].magic)
				return table[i].name;
	return "unknown file system";
}

const char *mount_attr_name(uint64_t attr)
{
	static const struct {
		uint64_t attr;
		const char *name;
	} table[] = {
		{MOUNT_ATTR_RDONLY, "ro"},         {MOUNT_ATTR_NOSUID, "nosuid"},
		{MOUNT_ATTR_NODEV, "nodev"},       {MOUNT_ATTR_NOEXEC, "noexec"},
		{MOUNT_ATTR_NOATIME, "noatime"},   {MOUNT_ATTR_STRICTATIME, "strictatime"},
		{MOUNT_ATTR_RELATIME, "relatime"}, {MOUNT_ATTR_NODIRATIME, "nodiratime"},
		{MOUNT_ATTR_IDMAP, "idmap"},       {MOUNT_ATTR_NOSYMFOLLOW, "nosymfollow"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (attr == table[i].attr)
			return table[i].name;
	return "unknown attribute";
}
