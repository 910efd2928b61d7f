/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for libFuzzer: gives every file of the folders named as arguments to the fuzz target, once. A target that
 * misbehaves crashes this program, so the seeds are regression tests in every build.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SEED_MAX_BYTES (1 << 20)

static int replay_file(const char *dir, const char *name)
{
	autofree char *path = mem_printf("%s/%s", dir, name);
	autofile FILE *f = fopen(path, "rbe");
	autofree uint8_t *room = mem_alloc(SEED_MAX_BYTES);
	autofree uint8_t *exact = NULL;
	size_t len;

	if (!f) {
		perror(path);
		return -1;
	}
	len = fread(room, 1, SEED_MAX_BYTES, f);
	/* A copy of the exact size lets AddressSanitizer see one byte too far. */
	exact = mem_dup(room, len);
	(void)LLVMFuzzerTestOneInput(exact, len);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned passed = 0;
	unsigned failed = 0;

	for (int i = 1; i < argc; i++) {
		autodir DIR *d = opendir(argv[i]);
		struct dirent *e;

		if (!d) {
			perror(argv[i]);
			failed++;
			continue;
		}
		while ((e = readdir(d))) {
			if (e->d_name[0] == '.')
				continue;
			if (replay_file(argv[i], e->d_name) == 0)
				passed++;
			else
				failed++;
		}
	}
	if (passed == 0) {
		fprintf(stderr, "no seeds\n");
		failed++;
	}
	printf("%u passed, %u failed\n", passed, failed);
	return failed ? 1 : 0;
}
