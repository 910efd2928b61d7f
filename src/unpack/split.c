/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image archive (the tar file around layers and documents), taken apart in one pass so that it may come from a pipe.
 * Runs inside the sandbox. The archive's names never become file names: the n-th member is written as m<n>, and its name,
 * size, link target and digest are told to the store, which makes sense of them without touching the archive.
 */
#include "unpack/jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "archive/layer_path.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "safepath/safepath.h"

static int write_member(struct tar *t, int dir_fd, struct unpack_member *m, struct error *err)
{
	const unsigned char *data;
	struct digest digest;
	uint64_t offset;
	char name[16];
	size_t len;
	int r;

	snprintf(name, sizeof(name), "m%u", m->number);
	autofd int fd = safepath_create_file(dir_fd, name, O_WRONLY, 0600, SAFEPATH_KEEP, err);

	if (fd < 0)
		return fd;
	digest_init(&digest);
	while ((r = tar_data(t, &data, &len, &offset, err)) > 0) {
		digest_add(&digest, data, len);
		r = fd_write_all(fd, data, len);
		if (r < 0)
			return error_sys(err, -r, "cannot write a member");
	}
	if (r == 0)
		digest_end(&digest, m->digest);
	return r;
}

static int take_member(struct tar *t, const struct tar_entry *e, int dir_fd, uint32_t number,
		       const struct unpack_talk *talk, struct error *err)
{
	struct unpack_member m = {.type = e->type, .number = number, .size = e->size};
	struct layer_path name;
	unsigned char text[2 * (TAR_PATH_MAX + 1)];

	if (e->type == TAR_DIR)
		return 0;
	if (e->type != TAR_FILE && e->type != TAR_HARDLINK && e->type != TAR_SYMLINK)
		return error_set(err, ERROR_INVALID, EINVAL, "%s has no place in an image archive",
				 tar_type_name(e->type));
	if (e->pieces) /* a digest of holes is nobody's digest */
		return error_set(err, ERROR_INVALID, EINVAL, "a sparse file has no place in an image archive");
	if (layer_path_parse(e->path, &name, err) < 0)
		return -err->code;
	size_t name_len = strlen(name.text), link_len = strlen(e->link);

	if (name_len + link_len > sizeof(text) || link_len > TAR_PATH_MAX)
		return error_set(err, ERROR_INVALID, ENAMETOOLONG, "the link's target is too long");
	m.name_len = (uint16_t)name_len;
	m.link_len = (uint16_t)link_len;
	memcpy(text, name.text, name_len);
	memcpy(text + name_len, e->link, link_len);
	if (e->type == TAR_FILE && write_member(t, dir_fd, &m, err) < 0)
		return -err->code;
	return unpack_say(talk, UNPACK_MEMBER, &m, sizeof(m), text, name_len + link_len, err);
}

int unpack_split(int dir_fd, struct tar_source in, const struct unpack_job *job, const struct unpack_talk *talk,
		 struct unpack_report *report, struct error *err)
{
	autoclean(tar_done) struct tar t;
	const struct tar_entry *e;
	int r;

	tar_init(&t, in);
	while ((r = tar_next(&t, &e, err)) > 0) {
		if (++report->entries > job->limits.archive_members)
			return error_set(err, ERROR_LIMIT, E2BIG, "the archive has more than %llu members",
					 (unsigned long long)job->limits.archive_members);
		if (take_member(&t, e, dir_fd, (uint32_t)report->entries, talk, err) < 0)
			return error_wrap(err, "member '%.200s'", e->path);
		report->file_bytes += e->size;
	}
	return r;
}
