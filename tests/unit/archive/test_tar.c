/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "fixture.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "archive/tar_write.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"

/* Read everything; the data of all files goes to @out. Returns the number of entries or <0. */
static int read_all(const struct buf *archive, size_t step, struct buf *out, struct error *err)
{
	struct fixture_source source = {.from = archive, .step = step};
	autoclean(tar_done) struct tar t;
	const struct tar_entry *e;
	int count = 0, r;

	tar_init(&t, (struct tar_source){.next = fixture_next, .arg = &source});
	while ((r = tar_next(&t, &e, err)) > 0) {
		const unsigned char *data;
		uint64_t offset;
		size_t len;

		count++;
		buf_printf(out, "[%s %s %s %u:%u]", tar_type_name(e->type), e->path, e->link, e->uid, e->gid);
		while ((r = tar_data(&t, &data, &len, &offset, err)) > 0)
			buf_add(out, data, len);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : count;
}

static void check_refused(const struct buf *archive, const char *why)
{
	static const size_t steps[] = {1, 511, 512, 100000};

	for (size_t i = 0; i < 4; i++) {
		autobuf struct buf out = BUF_INIT(1 << 20);
		struct error err = {0};

		CHECK(read_all(archive, steps[i], &out, &err) < 0);
		CHECK_CONTAINS(err.msg, why);
	}
}

static void check_read(const struct buf *archive, const char *want)
{
	static const size_t steps[] = {1, 511, 512, 100000};

	for (size_t i = 0; i < 4; i++) {
		autobuf struct buf out = BUF_INIT(1 << 20);
		struct error err = {0};

		CHECK(read_all(archive, steps[i], &out, &err) >= 0);
		CHECK_STR(buf_str(&out), want);
	}
}

TEST(plain_entries)
{
	autobuf struct buf a = BUF_INIT(1 << 20);

	fixture_block(&a, &(struct fixture_header){.name = "d/", .type = '5', .uid = 7, .gid = 8});
	fixture_file(&a, "d/f", "hello");
	fixture_block(&a, &(struct fixture_header){.name = "s", .type = '2', .link = "d/f"});
	fixture_block(&a, &(struct fixture_header){.name = "f", .prefix = "deep/er"});
	fixture_end(&a);
	check_read(&a, "[a folder d/  7:8][a file d/f  0:0]hello[a symbolic link s d/f 0:0][a file deep/er/f  0:0]");
}

TEST(pax_names_and_owners)
{
	autobuf struct buf a = BUF_INIT(1 << 20);
	static const char records[] = "13 path=long\n"
				      "15 uid=3000000\n"
				      "9 gid=42\n"
				      "20 mtime=12.5000000\n";

	fixture_pax(&a, records, sizeof(records) - 1);
	fixture_file(&a, "short", "x");
	fixture_file(&a, "next", "y"); /* the records are gone */
	fixture_end(&a);
	check_read(&a, "[a file long  3000000:42]x[a file next  0:0]y");
}

TEST(gnu_long_names)
{
	autobuf struct buf a = BUF_INIT(1 << 20);

	fixture_block(&a,
		      &(struct fixture_header){.name = "././@LongLink", .type = 'L', .size = 5, .magic = "ustar  "});
	fixture_data(&a, "name", 5);
	fixture_block(&a,
		      &(struct fixture_header){.name = "././@LongLink", .type = 'K', .size = 7, .magic = "ustar  "});
	fixture_data(&a, "target", 7);
	fixture_block(&a, &(struct fixture_header){.name = "x", .type = '2', .link = "y", .magic = "ustar  "});
	fixture_end(&a);
	check_read(&a, "[a symbolic link name target 0:0]");
}

TEST(v29_size_of_pax_and_header_must_agree)
{
	autobuf struct buf a = BUF_INIT(1 << 20), hidden = BUF_INIT(1 << 16);

	fixture_file(&hidden, "hidden", "evil");
	fixture_pax(&a, "13 size=1024\n", 13);
	fixture_block(&a, &(struct fixture_header){.name = "f"});
	buf_add(&a, hidden.data, hidden.len);
	fixture_end(&a);
	check_refused(&a, "the PAX header says 1024 bytes, the entry's own header 0");
	/* The same bytes without the PAX header: a lax reader sees "hidden" here and not above. */
	autobuf struct buf lax = BUF_INIT(1 << 20);

	buf_add(&lax, a.data + 1024, a.len - 1024);
	check_read(&lax, "[a file f  0:0][a file hidden  0:0]evil");
}

TEST(v29_pax_size_beyond_the_header_field)
{
	autobuf struct buf a = BUF_INIT(1 << 20), out = BUF_INIT(1 << 16);
	struct error err = {0};

	fixture_pax(&a, "20 size=10000000000\n", 20);
	fixture_block(&a, &(struct fixture_header){.name = "big", .size_field = "77777777777"});
	CHECK(read_all(&a, 512, &out, &err) < 0);
	CHECK_CONTAINS(err.msg, "ends at byte"); /* accepted; the data is not there */
	CHECK_CONTAINS(buf_str(&out), "big");
}

TEST(broken_archives)
{
	static const struct {
		const char *text;
		size_t len;
		const char *why;
	} pax[] = {
		{"99 path=a\n", 10, "record's length"},
		{"11 path=aa\n11 path=bb\n", 22, "given twice"},
		{"8 path=\n", 8, "not valid"},
		{"12 path=a\0b\n", 12, "not valid"},
		{"11 size=-1\n", 11, "not valid"},
		{"18 uid=4294967295\n", 18, "not valid"},
		{"22 SCHILY.realsize=10\n", 22, "not supported"},
		{"25 GNU.sparse.numbytes=4\n", 25, "not valid"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(pax); i++) {
		autobuf struct buf a = BUF_INIT(1 << 20);

		ROW(pax[i].why);
		fixture_pax(&a, pax[i].text, pax[i].len);
		fixture_file(&a, "f", "x");
		fixture_end(&a);
		check_refused(&a, pax[i].why);
	}
}

TEST(v29_nothing_behind_the_end)
{
	autobuf struct buf a = BUF_INIT(1 << 20), b = BUF_INIT(1 << 20);

	fixture_file(&a, "f", "x");
	fixture_end(&a);
	fixture_end(&a); /* padding is fine */
	check_read(&a, "[a file f  0:0]x");
	buf_add(&b, a.data, a.len);
	fixture_file(&b, "hidden", "y");
	check_refused(&b, "goes on behind its end mark");
}

TEST(types_without_data)
{
	static const char types[] = "12345";

	for (const char *t = types; *t; t++) {
		autobuf struct buf a = BUF_INIT(1 << 20);

		fixture_block(&a, &(struct fixture_header){.name = "n", .type = *t, .link = "l", .size = 512});
		fixture_file(&a, "hidden", "");
		fixture_end(&a);
		check_refused(&a, "but claims 512 bytes of data");
	}
}

TEST(sparse_form_0_1)
{
	autobuf struct buf a = BUF_INIT(1 << 20);
	static const char good[] = "25 GNU.sparse.map=0,1,8,1\n", bad[] = "25 GNU.sparse.map=8,1,0,1\n";
	static const char size[] = "22 GNU.sparse.size=10\n";
	char text[128];

	int n = snprintf(text, sizeof(text), "26%s%s", good + 2, size);
	fixture_pax(&a, text, (size_t)n);
	fixture_file(&a, "s", "ab");
	fixture_end(&a);
	check_read(&a, "[a file s  0:0]ab");
	autobuf struct buf b = BUF_INIT(1 << 20);

	n = snprintf(text, sizeof(text), "26%s%s", bad + 2, size);
	fixture_pax(&b, text, (size_t)n);
	fixture_file(&b, "s", "ab");
	fixture_end(&b);
	check_refused(&b, "overlap or are out of order");
}

TEST(numbers)
{
	int64_t v;

	CHECK_INT(tar_number((const unsigned char *)"0000755\0", 8, &v), 0);
	CHECK_INT(v, 0755);
	CHECK_INT(tar_number((const unsigned char *)"    12 \0", 8, &v), 0);
	CHECK_INT(v, 10);
	CHECK_INT(tar_number((const unsigned char *)"12 7   \0", 8, &v), -EINVAL);
	CHECK_INT(tar_number((const unsigned char *)"8000000\0", 8, &v), -EINVAL);
	CHECK_INT(tar_number((const unsigned char *)"\x80\0\0\0\0\0\1\0", 8, &v), 0);
	CHECK_INT(v, 256);
	CHECK_INT(tar_number((const unsigned char *)"\xff\xff\xff\xff\xff\xff\xff\xfe", 8, &v), 0);
	CHECK_INT(v, -2);
	CHECK_INT(tar_number((const unsigned char *)"\x80\1\0\0\0\0\0\0\0\0\0\0", 12, &v), -ERANGE);
	CHECK_INT(tar_number((const unsigned char *)"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", 12, &v), -ERANGE);
}

/* ---- the writer, read by our own reader ---- */

TEST(what_we_write_is_read)
{
	autobuf struct buf text = BUF_INIT(1 << 20);
	autobuf struct buf out = BUF_INIT(1 << 20);
	autofd int file = memfd_create("tar", MFD_CLOEXEC), data = fd_memory("data", "0123456789", 10);
	struct error err = {0};

	CHECK_INT(tar_write_folder(file, "d/", &err), 0);
	CHECK_INT(tar_write_text(file, "d/empty", "", 0, &err), 0);
	CHECK_INT(tar_write_file(file, "d/ten", data, 10, NULL, &err), 0);
	CHECK_INT(tar_write_end(file, &err), 0);
	CHECK_INT(lseek(file, 0, SEEK_SET), 0);
	CHECK_INT(fd_read_to_end(file, &text, "tar", &err), 0);
	CHECK_INT(read_all(&text, 512, &out, &err), 3);
	autofree char *want = mem_printf("[a folder d/  %u:%u][a file d/empty  %u:%u][a file d/ten  %u:%u]0123456789",
					 geteuid(), getegid(), geteuid(), getegid(), geteuid(), getegid());
	CHECK_STR(buf_str(&out), want);
	CHECK_INT(tar_write_file(file, "d/eleven", data, 11, NULL, &err), -ENODATA);
	char name[102];
	memset(name, 'n', 101);
	name[101] = '\0';
	CHECK_INT(tar_write_text(file, name, "", 0, &err), -ENAMETOOLONG);
}

/* Beyond eight gibibytes the size stands in a PAX header. */
TEST(what_we_write_may_be_huge)
{
	static const uint64_t sizes[] = {UINT64_C(077777777777), UINT64_C(0100000000000), UINT64_C(1) << 40};

	for (size_t i = 0; i < 3; i++) {
		autofd int file = memfd_create("tar", MFD_CLOEXEC), nothing = fd_memory("data", "", 0);
		autobuf struct buf text = BUF_INIT(1 << 20);
		autoclean(tar_done) struct tar t;
		const struct tar_entry *e;
		struct error err = {0};

		CHECK_INT(tar_write_file(file, "huge", nothing, sizes[i], NULL, &err), -ENODATA);
		CHECK_INT(lseek(file, 0, SEEK_SET), 0);
		CHECK_INT(fd_read_to_end(file, &text, "tar", &err), 0);
		struct fixture_source source = {.from = &text, .step = 512};
		tar_init(&t, (struct tar_source){.next = fixture_next, .arg = &source});
		CHECK_INT(tar_next(&t, &e, &err), 1);
		CHECK_STR(e->path, "huge");
		CHECK(e->size == sizes[i]);
	}
}
