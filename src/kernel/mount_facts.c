/* SPDX-License-Identifier: Apache-2.0 */
/* What a mount is, for messages and decisions: its attributes, and file systems and attributes by name. */
#include "kernel/mount.h"

#include <linux/magic.h>
#include <linux/mount.h>
#include <sys/statfs.h>

#include "base/cleanup.h"

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
