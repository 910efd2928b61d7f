/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which images an archive holds, from its documents: the input is Docker's manifest.json or OCI's index.json (by the first byte) of a
 * split archive that also has a config, a layer, a symlink and an OCI manifest. Every digest that leaves must be one, names must
 * parse, and all documents together stay below their bound.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/image_archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char layer[] = "no tar: nobody unpacks it here";
static char config[1024], manifest[1024], config_digest[DIGEST_TEXT_MAX], manifest_digest[DIGEST_TEXT_MAX];

static void put(int dir, const char *name, const void *data, size_t len)
{
	struct error err;

	(void)safepath_unlink(dir, name, true, &err);
	autofd int fd = safepath_create_file(dir, name, O_WRONLY, 0600, SAFEPATH_KEEP, &err);

	if (fd < 0 || fd_write_all(fd, data, len) < 0)
		abort();
}

static char path[] = "/tmp/bothy-fuzz-archive-XXXXXX";

static void clean(void)
{
	char file[sizeof(path) + 8];

	for (int i = 0; i < 4; i++) {
		(void)snprintf(file, sizeof(file), "%s/m%d", path, i);
		(void)unlink(file);
	}
	(void)rmdir(path);
}

/* The folder that a worker would have filled, made once. */
static int folder(void)
{
	static int dir = -1;
	char digest[DIGEST_TEXT_MAX];

	if (dir >= 0)
		return dir;
	struct error err;

	dir = mkdtemp(path) ? safepath_host_open_dir(path, &err) : -1;
	if (dir < 0 || atexit(clean) != 0)
		abort();
	digest_of(layer, sizeof(layer) - 1, digest);
	(void)snprintf(
		config, sizeof(config),
		"{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"%s\"]}}",
		digest);
	digest_of(config, strlen(config), config_digest);
	(void)snprintf(
		manifest, sizeof(manifest),
		"{\"schemaVersion\":2,\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"%s\","
		"\"size\":%zu},\"layers\":[{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"%s\",\"size\":%zu}]}",
		config_digest, strlen(config), digest, sizeof(layer) - 1);
	digest_of(manifest, strlen(manifest), manifest_digest);
	put(dir, "m1", config, strlen(config));
	put(dir, "m2", layer, sizeof(layer) - 1);
	put(dir, "m3", manifest, strlen(manifest));
	return dir;
}

static void check_images(const struct archive_images *images)
{
	for (size_t i = 0; i < images->count; i++) {
		const struct archive_image *image = &images->items[i];

		if (!digest_supported(image->id) || !digest_supported(image->manifest_digest))
			abort();
		for (size_t k = 0; k < image->parsed->diff_ids.count; k++) {
			if (!digest_supported(image->layers[k].digest) || image->layers[k].size < 0)
				abort();
		}
		for (size_t k = 0; k < image->names.count; k++) {
			autoclean(arena_done) struct arena a = {0};
			struct image_reference ref;
			struct error err;

			if (image_reference_parse(&a, image->names.items[k], &ref, &err) < 0 || ref.digest)
				abort();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	autoclean(archive_images_done) struct archive_images images = {0};
	int dir = folder();
	char blob[2][128], link[] = "c.json";
	struct worker_member members[] = {
		{.type = TAR_FILE,
		 .name = data[0] % 2 ? "index.json" : "manifest.json",
		 .link = "",
		 .number = 0,
		 .size = (int64_t)size - 1},
		{.type = TAR_FILE, .name = "c.json", .link = "", .number = 1, .size = 0},
		{.type = TAR_FILE, .name = "layer.tar", .link = "", .number = 2, .size = sizeof(layer) - 1},
		{.type = TAR_FILE, .name = blob[0], .link = "", .number = 3, .size = 0},
		{.type = TAR_FILE, .name = blob[1], .link = "", .number = 1, .size = 0},
		{.type = TAR_SYMLINK, .name = "link", .link = link, .number = 0, .size = 0},
		{.type = TAR_SYMLINK, .name = "loop", .link = "loop", .number = 0, .size = 0},
	};
	const struct worker_answer split = {.members = members, .member_count = sizeof(members) / sizeof(members[0])};
	const struct archive archive = {.layout_fd = FD_NONE, .staging_fd = dir, .split = &split};
	const struct store_load_options options = {0};
	struct error err = {0};

	put(dir, "m0", data + 1, size - 1);
	members[1].size = members[4].size = (int64_t)strlen(config);
	members[3].size = (int64_t)strlen(manifest);
	digest_of(layer, sizeof(layer) - 1, members[2].digest);
	(void)snprintf(blob[0], sizeof(blob[0]), "blobs/sha256/%s", manifest_digest + 7);
	(void)snprintf(blob[1], sizeof(blob[1]), "blobs/sha256/%s", config_digest + 7);
	if (archive_read(&archive, &options, &images, &err) == 0)
		check_images(&images);
	else if (err.code <= 0 || str_has_control(err.msg))
		abort();
	return 0;
}
