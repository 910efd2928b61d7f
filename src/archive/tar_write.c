/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a tar archive: see tar_write.h. The bytes of a file never pass through our memory where the kernel can move them:
 * copy_file_range between files (which shares blocks where the file system can), sendfile into pipes and sockets.
 */
#include "archive/tar_write.h"

#include <errno.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "archive/tar.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

#define SIZE_FIELD_MAX UINT64_C(077777777777)
#define ID_FIELD_MAX 07777777u
#define TYPE_FILE '0'
#define TYPE_DIR '5'
#define TYPE_PAX 'x'
#define MOVE_BYTES (UINT64_C(16) << 20) /* at a time: how often progress is told */
#define COPY_BYTES (256u << 10)

static int cannot_write(int errnum, struct error *err)
{
	error_sys(err, errnum, "cannot write the archive");
	if (errnum == ENOSPC || errnum == EDQUOT)
		error_hint(err, "make room there, or write it to another disk with -o");
	return -err->code;
}

static int put(int fd, const void *data, size_t len, struct error *err)
{
	int r = fd_write_all(fd, data, len);

	return r < 0 ? cannot_write(-r, err) : 0;
}

static int put_padding(int fd, uint64_t size, struct error *err)
{
	static const unsigned char zeros[TAR_BLOCK_BYTES];
	size_t rest = (size_t)(size % TAR_BLOCK_BYTES);

	return rest ? put(fd, zeros, TAR_BLOCK_BYTES - rest, err) : 0;
}

static void put_id(char field[static 8], unsigned id)
{
	(void)snprintf(field, 8, "%07o", id > ID_FIELD_MAX ? 0 : id);
}

static int put_header(int fd, const char *name, char type, uint64_t size, struct error *err)
{
	char block[TAR_BLOCK_BYTES] = {0};
	unsigned sum = 0;

	if (strlen(name) > TAR_WRITE_NAME_MAX)
		return error_set(err, ERROR_INVALID, ENAMETOOLONG, "'%.200s' is too long a name for a member", name);
	(void)str_copy(block, 100, name);
	(void)snprintf(block + 100, 8, "%07o", type == TYPE_DIR ? 0755u : 0644u);
	put_id(block + 108, geteuid());
	put_id(block + 116, getegid());
	(void)snprintf(block + 124, 12, "%011llo", (unsigned long long)(size > SIZE_FIELD_MAX ? 0 : size));
	(void)snprintf(block + 136, 12, "%011o", 0);
	memset(block + 148, ' ', 8); /* the checksum is made with blanks in its place */
	block[156] = type;
	memcpy(block + 257, "ustar\00000", 8);
	for (size_t i = 0; i < sizeof(block); i++)
		sum += (unsigned char)block[i];
	(void)snprintf(block + 148, 8, "%06o", sum);
	return put(fd, block, sizeof(block), err);
}

/* "len size=N\n": the length counts itself. */
static int put_large_header(int fd, const char *name, uint64_t size, struct error *err)
{
	char record[64];
	int len = 0, digits;

	for (digits = 2; digits < 4; digits++) {
		len = snprintf(record, sizeof(record), "%0*d size=%llu\n", digits, 0, (unsigned long long)size);
		if (snprintf(NULL, 0, "%d", len) == digits)
			break;
	}
	(void)snprintf(record, sizeof(record), "%d size=%llu\n", len, (unsigned long long)size);
	if (put_header(fd, "PaxHeader", TYPE_PAX, (uint64_t)len, err) < 0 || put(fd, record, (size_t)len, err) < 0 ||
	    put_padding(fd, (uint64_t)len, err) < 0)
		return -err->code;
	return put_header(fd, name, TYPE_FILE, size, err);
}

static int put_member(int fd, const char *name, uint64_t size, struct error *err)
{
	return size > SIZE_FIELD_MAX ? put_large_header(fd, name, size, err)
				     : put_header(fd, name, TYPE_FILE, size, err);
}

int tar_write_folder(int out_fd, const char *name, struct error *err)
{
	return put_header(out_fd, name, TYPE_DIR, 0, err);
}

int tar_write_text(int out_fd, const char *name, const void *text, size_t len, struct error *err)
{
	if (put_member(out_fd, name, len, err) < 0 || put(out_fd, text, len, err) < 0)
		return -err->code;
	return put_padding(out_fd, len, err);
}

/* ---- moving bytes ---- */

enum way { WAY_COPY_RANGE, WAY_SENDFILE, WAY_MEMORY };

static ssize_t move_by_memory(int out_fd, int in_fd, off_t *at, size_t len)
{
	autofree unsigned char *data = mem_alloc(COPY_BYTES);
	ssize_t n = pread(in_fd, data, len < COPY_BYTES ? len : COPY_BYTES, *at);
	int r = n > 0 ? fd_write_all(out_fd, data, (size_t)n) : 0;

	if (r < 0) {
		errno = -r;
		return -1;
	}
	*at += n > 0 ? n : 0;
	return n;
}

static ssize_t move_some(enum way way, int out_fd, int in_fd, off_t *at, size_t len)
{
	switch (way) {
	case WAY_COPY_RANGE:
		return copy_file_range(in_fd, at, out_fd, NULL, len, 0);
	case WAY_SENDFILE:
		return sendfile(out_fd, in_fd, at, len);
	default:
		return move_by_memory(out_fd, in_fd, at, len);
	}
}

/* Errors by which a kernel says that it cannot do this way between these two files. */
static bool not_this_way(int errnum)
{
	return errnum == EXDEV || errnum == EINVAL || errnum == ENOSYS || errnum == EOPNOTSUPP || errnum == EBADF ||
	       errnum == EPERM || errnum == ETXTBSY;
}

int tar_write_copy(int out_fd, int in_fd, uint64_t size, const struct tar_write_progress *progress, struct error *err)
{
	enum way way = WAY_COPY_RANGE;
	uint64_t left = size;
	off_t at = 0;

	while (left > 0) {
		ssize_t n = move_some(way, out_fd, in_fd, &at, (size_t)(left < MOVE_BYTES ? left : MOVE_BYTES));

		if (n < 0 && errno == EINTR)
			continue;
		if (way < WAY_MEMORY && (n == 0 || (n < 0 && not_this_way(errno)))) {
			way++;
			continue;
		}
		if (n < 0)
			return cannot_write(errno, err);
		if (n == 0)
			return error_set(err, ERROR_INVALID, ENODATA, "a file of the store is %llu bytes short",
					 (unsigned long long)left);
		left -= (uint64_t)n;
		if (progress && progress->step)
			progress->step(progress->arg, (uint64_t)n);
	}
	return 0;
}

int tar_write_file(int out_fd, const char *name, int in_fd, uint64_t size, const struct tar_write_progress *progress,
		   struct error *err)
{
	if (put_member(out_fd, name, size, err) < 0 || tar_write_copy(out_fd, in_fd, size, progress, err) < 0)
		return -err->code;
	return put_padding(out_fd, size, err);
}

int tar_write_end(int out_fd, struct error *err)
{
	static const unsigned char zeros[2 * TAR_BLOCK_BYTES];

	return put(out_fd, zeros, sizeof(zeros), err);
}
