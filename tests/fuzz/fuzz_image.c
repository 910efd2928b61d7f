/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The documents of images. Each input is given to all three parsers: what one of them accepts as a manifest, another
 * must not accept as an index (V31), and no digest may leave that is not one.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "spec/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_descriptors(const struct image_descriptor *d, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!image_digest_valid(d[i].digest) || strchr(image_digest_hex(d[i].digest), '/') || d[i].size < 0)
			abort();
	}
}

static void check_config(const char *text, size_t size)
{
	struct image_config c;
	struct error err = {0};

	if (image_config_parse(text, size, "config", &c, &err) < 0)
		return;
	for (size_t i = 0; i < c.diff_ids.count; i++) {
		if (!image_digest_valid(c.diff_ids.items[i]))
			abort();
	}
	for (size_t i = 0; i < c.env.count; i++) {
		if (!strchr(c.env.items[i], '=') || strchr(c.env.items[i], '\n'))
			abort();
	}
	if (str_has_control(c.user) || str_has_control(c.working_dir))
		abort();
	image_config_done(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct image_manifest m;
	struct image_index i;
	struct error err = {0};
	bool is_index = image_index_parse(text, size, "index", &i, &err) == 0;
	bool is_manifest = image_manifest_parse(text, size, "manifest", &m, &err) == 0;

	if (is_index && is_manifest)
		abort();
	if (is_index) {
		check_descriptors(i.manifests, i.manifest_count);
		image_index_done(&i);
	}
	if (is_manifest) {
		check_descriptors(&m.config, 1);
		check_descriptors(m.layers, m.layer_count);
		image_manifest_done(&m);
	}
	check_config(text, size);
	return 0;
}
