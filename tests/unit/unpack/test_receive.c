/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "unpack/receive.h"

static const char blob[] = "0123456789abcdef";
#define SIZE (sizeof(blob) - 1)

/* A partial file that holds @kept, and a pipe that gives @sent and ends. */
struct scene {
	int partial, in;
};

static void scene_done(struct scene *s)
{
	fd_close(&s->partial);
	fd_close(&s->in);
}

static struct scene scene_new(const char *kept, const char *sent)
{
	struct scene s = {.partial = memfd_create("partial", MFD_CLOEXEC)};
	int ends[2];

	if (write(s.partial, kept, strlen(kept)) != (ssize_t)strlen(kept))
		abort();
	if (pipe2(ends, O_CLOEXEC) < 0 || write(ends[1], sent, strlen(sent)) != (ssize_t)strlen(sent))
		abort();
	close(ends[1]);
	s.in = ends[0];
	return s;
}

static int receive_all(struct scene *s, uint64_t size, size_t step, char out[static 64], struct error *err)
{
	struct receive r = RECEIVE_NONE;
	size_t at = 0;
	ssize_t n;

	if (receive_init(&r, s->partial, s->in, size, err) < 0)
		return -err->code;
	struct stream_input in = receive_input(&r);

	while ((n = in.read(in.arg, out + at, step, err)) > 0)
		at += (size_t)n;
	out[at] = '\0';
	return n < 0 ? (int)n : 0;
}

static void check_partial(const struct scene *s, const char *want)
{
	char text[64] = "";
	ssize_t n = pread(s->partial, text, sizeof(text) - 1, 0);

	CHECK_INT(n, strlen(want));
	CHECK_STR(text, want);
}

TEST(what_was_kept_comes_first_and_what_comes_is_kept)
{
	static const struct {
		const char *kept, *sent;
	} rows[] = {
		{"", blob},
		{"0", "123456789abcdef"},
		{"01234567", "89abcdef"},
		{"0123456789abcdef", ""},
		{"0123456789abcde", "f and more than was promised"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (size_t step = 1; step < 40; step += 7) {
			autoclean(scene_done) struct scene s = scene_new(rows[i].kept, rows[i].sent);
			struct error err = {0};
			char out[64];

			ROW(rows[i].kept);
			CHECK_INT(receive_all(&s, SIZE, step, out, &err), 0);
			CHECK_STR(out, blob);
			check_partial(&s, blob);
		}
	}
}

TEST(a_cut_is_told_and_loses_nothing)
{
	autoclean(scene_done) struct scene s = scene_new("0123", "4567");
	struct error err = {0};
	char out[64];

	CHECK(receive_all(&s, SIZE, 3, out, &err) < 0);
	CHECK_INT(err.kind, ERROR_UNAVAILABLE);
	CHECK_CONTAINS(err.msg, "after 8 of 16 bytes");
	check_partial(&s, "01234567");
}

TEST(a_partial_file_that_is_too_long_is_refused)
{
	autoclean(scene_done) struct scene s = scene_new("0123456789abcdef!", "");
	struct error err = {0};
	char out[64];

	CHECK(receive_all(&s, SIZE, 3, out, &err) < 0);
	CHECK_INT(err.kind, ERROR_INVALID);
}
