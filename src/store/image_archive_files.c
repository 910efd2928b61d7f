/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of an archive that holds images: members of a tar that was split into a staging folder, or the files of
 * an OCI layout folder. Names in a tar are looked up in the list of members, never on disk, and links are followed
 * there. What is read is bounded, one by one and in all, and compared with its digest.
 */
#include "store/image_archive.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

#define LINKS_MAX 16                    /* links followed inside an archive */
#define DOCUMENTS_MAX_BYTES (16u << 20) /* some thousand images */

void archive_done(struct archive *a)
{
	fd_close(&a->layout_fd);
	free(a->base_name);
}

static const struct worker_member *find_member(const struct archive *a, const char *name)
{
	/* The last one of a name counts, as when extracting. */
	for (size_t i = a->split->member_count; i > 0; i--) {
		if (str_eq(a->split->members[i - 1].name, name))
			return &a->split->members[i - 1];
	}
	return NULL;
}

/* @link of the member @from as a name in the archive: relative to its folder, ".." allowed down to the top. */
static int join_link(const struct worker_member *from, char out[static TAR_PATH_MAX + 1], struct error *err)
{
	autostrv struct strv parts = {0}, out_parts = {0};
	size_t at = 0;

	if (from->type == TAR_SYMLINK && from->link[0] != '/')
		strv_split(&parts, from->name, '/');
	if (parts.count > 0) /* the folder, without the link's own name */
		free(parts.items[--parts.count]), parts.items[parts.count] = NULL;
	strv_split(&parts, from->link, '/');
	for (size_t i = 0; i < parts.count; i++) {
		const char *p = parts.items[i];

		if (!*p || str_eq(p, "."))
			continue;
		if (!str_eq(p, "..")) {
			strv_push(&out_parts, p);
		} else {
			if (out_parts.count == 0)
				return error_set(err, ERROR_INVALID, EXDEV, "'%.200s' links out of the archive",
						 from->name);
			free(out_parts.items[--out_parts.count]);
			out_parts.items[out_parts.count] = NULL;
		}
	}
	for (size_t i = 0; i < out_parts.count; i++) {
		size_t len = strlen(out_parts.items[i]);

		if (at + len + 2 > TAR_PATH_MAX)
			return error_set(err, ERROR_INVALID, ENAMETOOLONG, "'%.200s' links too far", from->name);
		if (at)
			out[at++] = '/';
		memcpy(out + at, out_parts.items[i], len);
		at += len;
	}
	out[at] = '\0';
	return 0;
}

static int resolve_member(const struct archive *a, const char *name, const struct worker_member **ret,
			  struct error *err)
{
	char at[TAR_PATH_MAX + 1];

	if (str_copy(at, sizeof(at), name) < 0)
		return error_set(err, ERROR_INVALID, ENAMETOOLONG, "a name in the archive is too long");
	for (int hops = 0; hops < LINKS_MAX; hops++) {
		const struct worker_member *m = find_member(a, at);

		if (!m)
			return error_set(err, ERROR_NOT_FOUND, ENOENT, "the archive has no '%.200s'", at);
		if (m->type == TAR_FILE) {
			*ret = m;
			return 0;
		}
		if (join_link(m, at, err) < 0)
			return -err->code;
	}
	return error_set(err, ERROR_INVALID, ELOOP, "'%.200s': too many links", name);
}

int archive_open(const struct archive *a, const char *name, const struct worker_member **ret_member, int64_t *ret_size,
		 struct error *err)
{
	const struct worker_member *m = NULL;
	autofd int fd = FD_NONE;
	char file[16];
	struct stat st;

	/* O_NONBLOCK: a fifo in a layout folder must not stop us. */
	if (a->layout_fd >= 0) {
		fd = safepath_open(a->layout_fd, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, err);
	} else {
		if (resolve_member(a, name, &m, err) < 0)
			return -err->code;
		snprintf(file, sizeof(file), "m%u", m->number);
		fd = safepath_child(a->staging_fd, file, O_RDONLY | O_NONBLOCK, err);
	}
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return error_sys(err, errno, "look at '%.200s'", name);
	if (!S_ISREG(st.st_mode) || (m && (st.st_size != m->size || st.st_nlink != 1)))
		return error_set(err, ERROR_INVALID, EINVAL, "'%.200s' is no regular file", name);
	*ret_size = st.st_size;
	if (ret_member)
		*ret_member = m;
	return take_fd(&fd);
}

int archive_read_document(const struct archive *a, struct archive_images *out, const char *name, size_t max,
			  const char **ret, size_t *ret_len, struct error *err)
{
	autobuf struct buf text = BUF_INIT(max);
	int64_t size;
	autofd int fd = archive_open(a, name, NULL, &size, err);

	if (fd < 0)
		return fd;
	if (fd_read_to_end(fd, &text, name, err) < 0)
		return -err->code;
	/* A small one that is listed a thousand times must not cost a thousand times its size. */
	out->bytes += text.len;
	if (out->bytes > DOCUMENTS_MAX_BYTES)
		return error_set(err, ERROR_LIMIT, E2BIG, "the documents of the archive have more than %u bytes",
				 DOCUMENTS_MAX_BYTES);
	*ret = arena_strndup(&out->arena, "", 0);
	if (text.len > 0) {
		char *copy = arena_alloc(&out->arena, text.len + 1, 1);

		memcpy(copy, text.data, text.len);
		*ret = copy;
	}
	*ret_len = text.len;
	return 0;
}

const char *archive_blob_name(struct arena *a, const char *digest)
{
	return arena_printf(a, "blobs/sha256/%s", image_digest_hex(digest));
}

int archive_read_blob(const struct archive *a, struct archive_images *out, const struct image_descriptor *d, size_t max,
		      const char **ret, size_t *ret_len, struct error *err)
{
	char is[DIGEST_TEXT_MAX];

	if (!digest_supported(d->digest))
		return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP, "digest '%.100s': only sha256 is supported",
				 d->digest);
	if (archive_read_document(a, out, archive_blob_name(&out->arena, d->digest), max, ret, ret_len, err) < 0)
		return -err->code;
	digest_of(*ret, *ret_len, is);
	if (d->size != (int64_t)*ret_len || !str_eq(is, d->digest))
		return error_set(err, ERROR_INVALID, EBADMSG,
				 "blob %s: its content is %zu bytes with digest %s, %lld were promised", d->digest,
				 *ret_len, is, (long long)d->size);
	return 0;
}

bool archive_has(const struct archive *a, const char *name)
{
	struct error missing;
	int64_t size;
	autofd int fd = archive_open(a, name, NULL, &size, &missing);

	return fd >= 0;
}
