/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request to a registry, for the integration tests: what the engine does with sessions, without a store.
 *
 *	driver manifest|head|tags REFERENCE      driver blob|primary REFERENCE DIGEST SIZE [OFFSET] > FILE
 *	driver push REFERENCE DIGEST FILE [MOUNT]  driver referrers|delete REFERENCE DIGEST
 *
 * Texts go to standard output, events to standard error, one a line; the exit status is 1 after an error.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "registry/registry.h"

static void show(const struct registry_event *e, void *arg)
{
	(void)arg;
	if (e->type == REGISTRY_RETRY)
		(void)fprintf(stderr, "retry delay=%u %s\n", e->delay_ms, e->err.msg);
	if (e->type == REGISTRY_DONE)
		(void)fprintf(
			stderr,
			"done bytes=%llu moved=%llu size=%llu existed=%d mounted=%d endpoint=%s type=%s digest=%s\n",
			(unsigned long long)e->bytes, (unsigned long long)e->moved, (unsigned long long)e->size,
			e->existed, e->mounted, e->endpoint ? e->endpoint : "", e->media_type ? e->media_type : "",
			e->digest ? e->digest : "");
	if (e->type == REGISTRY_FAILED)
		(void)fprintf(stderr, "failed kind=%s bytes=%llu moved=%llu %s | %s\n", error_kind_name(e->err.kind),
			      (unsigned long long)e->bytes, (unsigned long long)e->moved, e->err.msg, e->err.hint);
}

static uint64_t number(char **argv, int argc, int i)
{
	uint64_t n = 0;

	return i < argc && str_to_u64(argv[i], &n) == 0 ? n : 0;
}

static int64_t ask(struct registry *r, const struct image_reference *ref, int argc, char **argv, struct error *err)
{
	const char *op = argv[1], *name = ref->digest ? ref->digest : ref->tag ? ref->tag : "latest";
	const char *digest = argc > 3 ? argv[3] : "";

	if (str_eq(op, "manifest") || str_eq(op, "head"))
		return registry_get_manifest(r, name, str_eq(op, "head"), err);
	if (str_eq(op, "blob") || str_eq(op, "primary"))
		return registry_get_blob(r, digest, number(argv, argc, 4), number(argv, argc, 5), str_eq(op, "primary"),
					 dup(STDOUT_FILENO), err);
	if (str_eq(op, "push")) {
		int fd = open(argv[4], O_RDONLY | O_CLOEXEC); /* lives as long as we do */

		return registry_push_blob(r, digest, (uint64_t)lseek(fd, 0, SEEK_END), fd, argc > 5 ? argv[5] : NULL,
					  err);
	}
	if (str_eq(op, "tags"))
		return registry_list_tags(r, err);
	if (str_eq(op, "referrers"))
		return registry_get_referrers(r, digest, NULL, err);
	return registry_delete(r, digest, false, err);
}

int main(int argc, char **argv)
{
	autoclean(arena_done) struct arena a = {0};
	struct registry_options o = {.access = REGISTRY_PULL,
				     .creds = getenv("DRIVER_CREDS"),
				     .cert_dir = getenv("DRIVER_CERTS"),
				     .no_verify = getenv("DRIVER_NO_VERIFY") != NULL};
	autoregistry struct registry *r = NULL;
	struct image_reference ref;
	struct registry_event e;
	struct error err = {0};

	if (argc < 3 || image_reference_parse(&a, argv[2], &ref, &err) < 0) {
		(void)fprintf(stderr, "usage: driver VERB REFERENCE [...] %s\n", err.msg);
		return 2;
	}
	o.domain = ref.domain;
	o.path = ref.path;
	if (str_eq(argv[1], "push"))
		o.access |= REGISTRY_PUSH;
	if (str_eq(argv[1], "delete"))
		o.access |= REGISTRY_DELETE;
	if (registry_open(&o, &r, &err) < 0) {
		(void)fprintf(stderr, "open kind=%s %s | %s\n", error_kind_name(err.kind), err.msg, err.hint);
		return 1;
	}
	if (registry_wait(r, ask(r, &ref, argc, argv, &err), &e, show, NULL, &err) < 0) {
		(void)fprintf(stderr, "error %s\n", err.msg);
		return 1;
	}
	if (e.text)
		(void)fwrite(e.text, 1, e.len, stdout);
	return 0;
}
