/* SPDX-License-Identifier: Apache-2.0 */
/* Archives of images: bounds of what is read of them, and links between their members. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "test.h"

#include "store/fixture.h"
#include "store/image_archive.h"

/* The folder that a worker would have filled: m0 is manifest.json, m1 config.json, m2 the layer. */
struct taken_apart {
	struct scratch scratch;
	int dir; /* owned */
	struct worker_member members[6];
	struct worker_answer split;
};

static void put(int dir, struct worker_member *m, const char *name, const void *data, size_t len)
{
	struct error err = {0};
	char file[16];

	m->type = TAR_FILE;
	m->name = name;
	m->link = "";
	m->size = (int64_t)len;
	(void)snprintf(file, sizeof(file), "m%u", m->number);
	autofd int fd = safepath_create_file(dir, file, O_WRONLY, 0600, SAFEPATH_KEEP, &err);

	CHECK(fd >= 0);
	CHECK_INT(fd_write_all(fd, data, len), 0);
}

/* @config_bytes: the config is blown up to so many by blanks. @images: how often the one image is listed. */
static struct taken_apart take_apart(size_t config_bytes, size_t images, const char *config_name)
{
	static const char layer[] = "no tar archive, but nobody looks";
	struct taken_apart t = {.scratch = scratch_new()};
	autobuf struct buf list = BUF_INIT(1u << 20), config = BUF_INIT(1u << 20);
	char digest[DIGEST_TEXT_MAX];
	struct error err = {0};

	t.dir = safepath_host_open_dir(t.scratch.path, &err);
	CHECK(t.dir >= 0);
	digest_of(layer, sizeof(layer) - 1, digest);
	buf_printf(
		&config,
		"{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"%s\"]}}",
		digest);
	while (config.len < config_bytes)
		buf_puts(&config, " ");
	buf_puts(&list, "[");
	for (size_t i = 0; i < images; i++)
		buf_printf(&list, "%s{\"Config\":\"%s\",\"Layers\":[\"layer.tar\"]}", i ? "," : "", config_name);
	buf_puts(&list, "]");
	for (unsigned i = 0; i < 3; i++)
		t.members[i].number = i;
	put(t.dir, &t.members[0], "manifest.json", list.data, list.len);
	put(t.dir, &t.members[1], "config.json", config.data, config.len);
	put(t.dir, &t.members[2], "layer.tar", layer, sizeof(layer) - 1);
	memcpy(t.members[2].digest, digest, sizeof(digest));
	t.members[3] = (struct worker_member){.type = TAR_SYMLINK, .name = "folder/link", .link = "../config.json"};
	t.members[4] = (struct worker_member){.type = TAR_SYMLINK, .name = "out", .link = "../config.json"};
	t.members[5] = (struct worker_member){.type = TAR_SYMLINK, .name = "loop", .link = "loop"};
	return t;
}

static int read_it(struct taken_apart *t, size_t *ret_count, struct error *err)
{
	autoclean(archive_images_done) struct archive_images images = {0};
	const struct store_load_options options = {0};
	int r;

	t->split = (struct worker_answer){.members = t->members, .member_count = ARRAY_SIZE(t->members)};
	const struct archive archive = {.layout_fd = FD_NONE, .staging_fd = t->dir, .split = &t->split};

	r = archive_read(&archive, &options, &images, err);
	*ret_count = images.count;
	fd_close(&t->dir);
	scratch_done(&t->scratch);
	return r;
}

TEST(all_documents_together_have_a_bound)
{
	struct taken_apart few = take_apart(64 << 10, 100, "config.json");
	struct taken_apart many = take_apart(64 << 10, 300, "config.json");
	struct error err = {0};
	size_t count;

	CHECK_INT(read_it(&few, &count, &err), 0);
	CHECK_INT(count, 100);
	CHECK(read_it(&many, &count, &err) < 0);
	CHECK_INT(err.kind, ERROR_LIMIT);
	CHECK(strstr(err.msg, "the documents of the archive"));
}

TEST(links_stay_in_the_archive)
{
	static const struct {
		const char *name, *why; /* NULL: good */
	} rows[] = {
		{"folder/link", NULL},
		{"out", "'out' links out of the archive"},
		{"loop", "'loop': too many links"},
		{"gone", "the archive has no 'gone'"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct taken_apart t = take_apart(0, 1, rows[i].name);
		struct error err = {0};
		size_t count;
		int r = read_it(&t, &count, &err);

		CHECK_INT(r < 0, rows[i].why != NULL);
		CHECK(!rows[i].why || strstr(err.msg, rows[i].why));
	}
}
