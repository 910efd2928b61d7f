/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <sys/socket.h>
#include <sys/xattr.h>

#include "fixture.h"
#include "store/store.h"
#include "unpack/content.h"

static int run(const struct scratch *s, enum unpack_kind kind, const struct buf *a, int talk_fd,
	       struct unpack_report *report, struct error *err)
{
	const struct unpack_job job = job_new(kind);

	return job_run(s->fd, a->data, a->len, &job, talk_fd, report, err);
}

/* The one finding there must be, as "kind path: text". */
static const char *only_finding(const struct scratch *s, const struct buf *a)
{
	static char out[600];
	struct unpack_report report;
	struct unpack_message m;
	struct unpack_finding f;
	struct error err = {0};
	char tail[512];
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return "no socket";
	autofd int ours = pair[0], theirs = pair[1];

	if (run(s, UNPACK_VERIFY, a, theirs, &report, &err) < 0)
		return "failed";
	if (report.findings != 1)
		return report.findings ? "several" : "none";
	do {
		if (fd_read_all(ours, &m, sizeof(m)) < 0 || m.len < sizeof(f) || m.len > sizeof(f) + sizeof(tail) - 1)
			return "no message";
		if (fd_read_all(ours, &f, sizeof(f)) < 0 || fd_read_all(ours, tail, m.len - sizeof(f)) < 0)
			return "no message";
	} while (m.type != UNPACK_FINDING);
	tail[m.len - sizeof(f)] = '\0';
	snprintf(out, sizeof(out), "%s %.*s: %s", store_finding_name(f.kind), f.path_len, tail, tail + f.path_len);
	return out;
}

static void layer(struct buf *a)
{
	fixture_block(a, &(struct fixture_header){.name = "d/", .type = '5', .mode = 0755});
	fixture_file(a, "d/f", "hello");
	fixture_block(a, &(struct fixture_header){.name = "h", .type = '1', .link = "d/f"});
	fixture_block(a, &(struct fixture_header){.name = "s", .type = '2', .link = "d/f"});
	fixture_block(a, &(struct fixture_header){.name = "p", .type = '6'});
	fixture_file(a, "e/g", "in a folder that is not listed");
	fixture_file(a, ".wh.gone", "");
	fixture_end(a);
}

static int change_content(int dir)
{
	const struct timespec t[2] = {{15, 0}, {15, 0}};
	autofd int fd = openat(dir, "d/f", O_WRONLY | O_CLOEXEC);

	return pwrite(fd, "J", 1, 0) == 1 ? futimens(fd, t) : -1;
}

static int set_time(int dir, const char *path, long s)
{
	const struct timespec t[2] = {{s, 0}, {s, 0}};

	return utimensat(dir, path, t, AT_SYMLINK_NOFOLLOW);
}

static int change_mode(int dir)
{
	return fchmodat(dir, "e/g", 0666, 0);
}

static int change_time(int dir)
{
	return set_time(dir, "e/g", 16);
}

static int remove_fifo(int dir)
{
	return unlinkat(dir, "p", 0);
}

static int add_file(int dir)
{
	return mkdirat(dir, "e/new", 0755) < 0 ? -1 : mkdirat(dir, "e/new/er", 0755);
}

static int other_type(int dir)
{
	return unlinkat(dir, "p", 0) < 0 ? -1 : mkdirat(dir, "p", 0755);
}

static int other_target(int dir)
{
	if (unlinkat(dir, "s", 0) < 0 || symlinkat("d/g", dir, "s") < 0)
		return -1;
	return set_time(dir, "s", 15);
}

static int one_name_more(int dir)
{
	return linkat(dir, "e/g", dir, "d/h", 0) < 0 ? -1 : set_time(dir, "d", 15);
}

static int show_again(int dir)
{
	return unlinkat(dir, "gone", 0);
}

static int add_xattr(int dir)
{
	autofd int fd = openat(dir, "e/g", O_RDONLY | O_CLOEXEC);

	return fsetxattr(fd, "user.x", "1", 1, 0);
}

static int add_opaque(int dir)
{
	autofd int fd = openat(dir, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fsetxattr(fd, "user.overlay.opaque", "y", 1, 0);
}

TEST(each_difference_is_found)
{
	static const struct {
		int (*change)(int dir);
		const char *want, * or ; /* names of one file come in any order */
	} rows[] = {
		{NULL, "none", NULL},
		{change_content, "content d/f: its content differs", "content h: its content differs"},
		{change_mode, "mode e/g: mode 0666, the layer has 0644", NULL},
		{change_time, "time e/g: changed at 16.000000000, the layer has 15.000000000", NULL},
		{remove_fifo, "missing p: a FIFO is missing", NULL},
		{add_file, "extra e/new: a folder that the layer does not have", NULL},
		{other_type, "type p: a folder, the layer has a FIFO", NULL},
		{other_target, "link s: leads to 'd/g', in the layer to 'd/f'", NULL},
		{one_name_more, "several", NULL},
		{show_again, "missing gone: a whiteout is missing", NULL},
		{add_xattr, "xattr e/g: the attribute user.x is not the layer's", NULL},
		{add_opaque, "whiteout d: the folder hides lower layers, and should not", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		autoclean(scratch_done) struct scratch s = scratch_new();
		autobuf struct buf a = BUF_INIT(1 << 20);
		struct unpack_report report;
		struct error err = {0};

		ROW(rows[i].want);
		(void)umask(0);
		layer(&a);
		CHECK_INT(run(&s, UNPACK_LAYER, &a, FD_NONE, &report, &err), 0);
		if (rows[i].change && rows[i].change(s.fd) < 0)
			continue; /* no user.* attributes in /tmp */
		const char *got = only_finding(&s, &a);

		if (!str_eq(got, rows[i].or))
			CHECK_STR(got, rows[i].want);
	}
}

TEST(content_is_the_same_with_holes_and_with_zeros)
{
	unsigned char want[DIGEST_RAW_BYTES], got[DIGEST_RAW_BYTES];
	static unsigned char file[5 * CONTENT_BLOCK_BYTES + 100];
	struct content c;
	struct error err;

	memset(file + 3 * CONTENT_BLOCK_BYTES - 7, 'x', 20);
	file[sizeof(file) - 1] = 1;
	content_init(&c);
	content_add(&c, 0, file, sizeof(file));
	content_end(&c, want);
	/* In steps of any size. */
	for (size_t step = 1; step < 2 * CONTENT_BLOCK_BYTES; step += 511) {
		content_init(&c);
		for (size_t at = 0; at < sizeof(file); at += step)
			content_add(&c, at, file + at, sizeof(file) - at < step ? sizeof(file) - at : step);
		content_end(&c, got);
		CHECK(memcmp(want, got, sizeof(want)) == 0);
	}
	/* Only the data. */
	content_init(&c);
	content_add(&c, 3 * CONTENT_BLOCK_BYTES - 7, file + 3 * CONTENT_BLOCK_BYTES - 7, 20);
	content_add(&c, sizeof(file) - 1, file + sizeof(file) - 1, 1);
	content_end(&c, got);
	CHECK(memcmp(want, got, sizeof(want)) == 0);
	/* On disk. */
	autofd int fd = fd_memory("content", file, sizeof(file));

	CHECK_INT(content_of_file(fd, got, &err), 0);
	CHECK(memcmp(want, got, sizeof(want)) == 0);
	/* One byte elsewhere is another content. */
	content_init(&c);
	content_add(&c, 3 * CONTENT_BLOCK_BYTES - 6, file + 3 * CONTENT_BLOCK_BYTES - 7, 20);
	content_add(&c, sizeof(file) - 1, file + sizeof(file) - 1, 1);
	content_end(&c, got);
	CHECK(memcmp(want, got, sizeof(want)) != 0);
}
