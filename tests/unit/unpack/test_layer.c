/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <zlib.h>
#include <zstd.h>

#include "base/mem.h"
#include "fixture.h"

static int unpack_buf(const struct scratch *s, const struct buf *a, struct unpack_report *report, struct error *err)
{
	const struct unpack_job job = job_new(UNPACK_LAYER);

	return job_run(s->fd, a->data, a->len, &job, FD_NONE, report, err);
}

TEST(files_links_and_times)
{
	autoclean(scratch_done) struct scratch s = scratch_new();
	autobuf struct buf a = BUF_INIT(1 << 20);
	struct unpack_report report = {0};
	struct error err = {0};
	struct stat st, st2;

	fixture_block(&a, &(struct fixture_header){.name = "./d/", .type = '5', .mode = 01777});
	fixture_file(&a, "./d/f", "hello");
	fixture_block(&a, &(struct fixture_header){.name = "h", .type = '1', .link = "d/f"});
	fixture_block(&a, &(struct fixture_header){.name = "s", .type = '2', .link = "/etc/passwd"});
	fixture_block(&a, &(struct fixture_header){.name = "p", .type = '6'});
	fixture_block(&a, &(struct fixture_header){.name = "suid", .mode = 04755});
	fixture_end(&a);
	CHECK_INT(unpack_buf(&s, &a, &report, &err), 0);
	CHECK_STR(err.msg, "");
	CHECK_INT(report.entries, 6);
	CHECK_INT(report.file_bytes, 5);
	REQUIRE(fstatat(s.fd, "d", &st, 0) == 0);
	CHECK_INT(st.st_mode, S_IFDIR | 01777);
	CHECK_INT(st.st_mtime, 15); /* though a file was made in it afterwards */
	REQUIRE(fstatat(s.fd, "d/f", &st, 0) == 0 && fstatat(s.fd, "h", &st2, 0) == 0);
	CHECK_INT(st.st_ino, st2.st_ino);
	CHECK_INT(st.st_size, 5);
	REQUIRE(fstatat(s.fd, "s", &st, AT_SYMLINK_NOFOLLOW) == 0);
	CHECK(S_ISLNK(st.st_mode) && st.st_mtime == 15);
	REQUIRE(fstatat(s.fd, "p", &st, AT_SYMLINK_NOFOLLOW) == 0);
	CHECK(S_ISFIFO(st.st_mode));
	REQUIRE(fstatat(s.fd, "suid", &st, 0) == 0);
	CHECK_INT(st.st_mode & 07777, 04755);
}

TEST(v28_whiteouts_and_opaque_folders)
{
	autoclean(scratch_done) struct scratch s = scratch_new();
	autobuf struct buf a = BUF_INIT(1 << 20);
	struct unpack_report report = {0};
	struct error err = {0};
	char value[8];
	struct stat st;

	fixture_file(&a, ".wh.gone", "");
	fixture_file(&a, ".wh.again", "");
	fixture_file(&a, "again/f", "x");
	fixture_file(&a, "kept", "x");
	fixture_file(&a, ".wh.kept", "");
	fixture_file(&a, "o/.wh..wh..opq", "");
	fixture_end(&a);
	int r = unpack_buf(&s, &a, &report, &err);

	if (r == -EOPNOTSUPP)
		SKIP("no user.* attributes in /tmp");
	CHECK_INT(r, 0);
	REQUIRE(fstatat(s.fd, "gone", &st, AT_SYMLINK_NOFOLLOW) == 0);
	CHECK(S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0));
	REQUIRE(fstatat(s.fd, "kept", &st, 0) == 0);
	CHECK(S_ISREG(st.st_mode));
	static const char *const opaque[] = {"again", "o"};
	for (size_t i = 0; i < 2; i++) {
		autofd int fd = openat(s.fd, opaque[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		ROW(opaque[i]);
		CHECK_INT(fgetxattr(fd, "user.overlay.opaque", value, sizeof(value)), 1);
		CHECK(value[0] == 'y');
	}
}

TEST(v27_never_outside)
{
	static const struct {
		const char *name, *link;
		char type;
	} rows[] = {
		{"../escaped", NULL, '0'}, {"d/../../escaped", NULL, '0'}, {"h", "../../etc/passwd", '1'},
		{"h", "/etc/passwd", '1'}, {"out/escaped", NULL, '0'},     {"out", "d", '1'},
		{"w", NULL, '3'},          {"out/../x", NULL, '5'},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		autoclean(scratch_done) struct scratch s = scratch_new();
		autobuf struct buf a = BUF_INIT(1 << 20);
		struct unpack_report report = {0};
		struct error err = {0};

		ROW(rows[i].name);
		fixture_block(&a, &(struct fixture_header){.name = "d", .type = '5'});
		fixture_block(&a, &(struct fixture_header){.name = "out", .type = '2', .link = "/nowhere-at-all"});
		fixture_block(&a, &(struct fixture_header){.name = rows[i].name,
							   .type = rows[i].type,
							   .link = rows[i].link});
		fixture_end(&a);
		/* A hard link replaces the symlink of its name; all others are refused. */
		CHECK(unpack_buf(&s, &a, &report, &err) < 0);
		CHECK(access("/tmp/escaped", F_OK) < 0);
	}
}

/* The paths of the folders without an entry, as the store is told, in one line. */
static const char *implied_of(const struct scratch *s, enum unpack_kind kind, const struct buf *a)
{
	const struct unpack_job job = job_new(kind);
	static char out[ERROR_MSG_MAX];
	struct unpack_report report;
	struct unpack_message m;
	struct error err = {0};
	int pair[2];

	out[0] = '\0';
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return "no socket";
	autofd int ours = pair[0];
	int r = job_run(s->fd, a->data, a->len, &job, pair[1], &report, &err);

	close(pair[1]);
	if (r < 0)
		(void)snprintf(out, sizeof(out), "%s", err.msg);
	for (size_t at = 0; read(ours, &m, sizeof(m)) == sizeof(m);) {
		if (at + m.len + 2 > sizeof(out) || fd_read_all(ours, out + at + (at > 0), m.len) < 0)
			return "no message";
		if (at > 0)
			out[at++] = ' ';
		at += m.len;
		out[at] = '\0';
	}
	return out;
}

/* Where a folder is counts, not by which way an entry led to it: symlinks may lead elsewhere later. */
TEST(folders_reached_through_symlinks)
{
	static const struct {
		const char *row;
		struct fixture_header then; /* the last entry */
	} rows[] = {
		{"nothing more", {.name = "z"}},
		{"a folder of the same name", {.name = "l", .type = '5'}},
		{"a file", {.name = "l"}},
		{"a link to another folder", {.name = "l", .type = '2', .link = "other"}},
		{"a link to the root", {.name = "l", .type = '2', .link = "/"}},
	};
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		autoclean(scratch_done) struct scratch s = scratch_new();
		autobuf struct buf a = BUF_INIT(1 << 20);

		ROW(rows[i].row);
		fixture_block(&a, &(struct fixture_header){.name = "real/", .type = '5', .mtime = 7});
		fixture_block(&a, &(struct fixture_header){.name = "other/", .type = '5', .mtime = 8});
		fixture_block(&a, &(struct fixture_header){.name = "other/listed/", .type = '5', .mtime = 9});
		fixture_block(&a, &(struct fixture_header){.name = "l", .type = '2', .link = "chain"});
		fixture_block(&a, &(struct fixture_header){.name = "chain", .type = '2', .link = "/other/../real/."});
		fixture_file(&a, "l/not/f", "in a folder that is not listed");
		fixture_block(&a, &(struct fixture_header){.name = "l/listed/", .type = '5', .mtime = 10});
		fixture_file(&a, "l/listed/f", "");
		fixture_block(&a, &(struct fixture_header){.name = "gone/", .type = '5', .mtime = 11});
		fixture_block(&a, &(struct fixture_header){.name = "gone", .type = '2', .link = "other"});
		fixture_block(&a, &rows[i].then);
		fixture_end(&a);
		CHECK_STR(implied_of(&s, UNPACK_LAYER, &a), "real/not");
		REQUIRE(fstatat(s.fd, "real", &st, 0) == 0);
		CHECK_INT(st.st_mtime, 7);
		REQUIRE(fstatat(s.fd, "real/not", &st, 0) == 0);
		CHECK_INT(st.st_mtime, 0); /* that of no moment */
		REQUIRE(fstatat(s.fd, "real/listed", &st, 0) == 0);
		CHECK_INT(st.st_mtime, 10);
		REQUIRE(fstatat(s.fd, "other", &st, 0) == 0);
		CHECK_INT(st.st_mtime, 8);
		REQUIRE(fstatat(s.fd, "other/listed", &st, 0) == 0);
		CHECK_INT(st.st_mtime, 9);
		/* The comparison comes to the same, and finds nothing. */
		CHECK_STR(implied_of(&s, UNPACK_VERIFY, &a), "real/not");
	}
}

TEST(a_symlink_to_nowhere_is_no_folder)
{
	static const char *const links[] = {"nowhere", "/nowhere/real", "l", "real/f", "real/../nowhere/.."};

	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		autoclean(scratch_done) struct scratch s = scratch_new();
		autobuf struct buf a = BUF_INIT(1 << 20);
		struct unpack_report report;
		struct error err = {0};

		ROW(links[i]);
		fixture_file(&a, "real/f", "");
		fixture_block(&a, &(struct fixture_header){.name = "l", .type = '2', .link = links[i]});
		fixture_file(&a, "l/x/f", "");
		fixture_end(&a);
		CHECK(unpack_buf(&s, &a, &report, &err) < 0);
		CHECK_CONTAINS(err.msg, "entry 'l/x/f': the folder it lies in: ");
	}
}

TEST(v30_bounds)
{
	autoclean(scratch_done) struct scratch s = scratch_new();
	autobuf struct buf a = BUF_INIT(4 << 20);
	struct unpack_job job = job_new(UNPACK_LAYER);
	struct unpack_report report = {0};
	struct error err = {0};
	char name[16];

	for (int i = 0; i < 1001; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		fixture_block(&a, &(struct fixture_header){.name = name});
	}
	fixture_end(&a);
	CHECK_INT(job_run(s.fd, a.data, a.len, &job, FD_NONE, &report, &err), -E2BIG);
	CHECK_CONTAINS(err.msg, "more than 1000 entries");
	CHECK_INT(err.kind, ERROR_LIMIT);

	/* Zeros, compressed a thousand times. */
	autofree unsigned char *zeros = mem_zalloc(1, 512 << 10), *packed = mem_alloc(64 << 10);
	struct fixture_header h = {.name = "zeros", .size = (512 << 10) - 512};
	autobuf struct buf block = BUF_INIT(512);
	z_stream z = {0};

	fixture_block(&block, &h);
	memcpy(zeros, block.data, 512);
	REQUIRE(deflateInit2(&z, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY) == Z_OK);
	z.next_in = zeros;
	z.avail_in = 512 << 10;
	z.next_out = packed;
	z.avail_out = 64 << 10;
	REQUIRE(deflate(&z, Z_FINISH) == Z_STREAM_END);
	size_t len = z.total_out;

	deflateEnd(&z);
	CHECK_INT(job_run(s.fd, packed, len, &job, FD_NONE, &report, &err), -EFBIG);
	CHECK_CONTAINS(err.msg, "decompression bomb");
	job.limits.ratio = 2000;
	CHECK_INT(job_run(s.fd, packed, len, &job, FD_NONE, &report, &err), 0);
	/* Cut short. */
	CHECK(job_run(s.fd, packed, len - 9, &job, FD_NONE, &report, &err) < 0);
	CHECK_CONTAINS(err.msg, "ends too early");
}

TEST(one_digest_whatever_the_compression)
{
	autobuf struct buf a = BUF_INIT(1 << 20);
	unsigned char want[DIGEST_RAW_BYTES], packed[8192];
	struct unpack_job job = job_new(UNPACK_LAYER);
	struct digest d;

	fixture_file(&a, "f", "some text");
	fixture_end(&a);
	digest_init(&d);
	digest_add(&d, a.data, a.len);
	digest_end(&d, want);
	size_t zstd_len = ZSTD_compress(packed, sizeof(packed), a.data, a.len, 3);

	REQUIRE(!ZSTD_isError(zstd_len));
	const struct {
		const void *data;
		size_t len;
	} forms[] = {{a.data, a.len}, {packed, zstd_len}};
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		autoclean(scratch_done) struct scratch s = scratch_new();
		struct unpack_report report = {0};
		struct error err = {0};

		CHECK_INT(job_run(s.fd, forms[i].data, forms[i].len, &job, FD_NONE, &report, &err), 0);
		CHECK(memcmp(report.digest_out, want, sizeof(want)) == 0);
	}
}
