/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/image.h"

#include <string.h>

#include "base/cleanup.h"
#include "test.h"

#define H64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SHA256 "sha256:" H64
#define T128                                                                                                           \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
	const char *text;
	const char *domain, *path, *tag, *digest;
	const char *full, *familiar;
} good[] = {
	{"debian", "docker.io", "library/debian", NULL, NULL, "docker.io/library/debian", "debian"},
	{"debian:12", "docker.io", "library/debian", "12", NULL, "docker.io/library/debian:12", "debian:12"},
	{"library/debian", "docker.io", "library/debian", NULL, NULL, "docker.io/library/debian", "debian"},
	{"docker.io/debian", "docker.io", "library/debian", NULL, NULL, "docker.io/library/debian", "debian"},
	{"index.docker.io/a/b", "docker.io", "a/b", NULL, NULL, "docker.io/a/b", "a/b"},
	{"library/a/b", "docker.io", "library/a/b", NULL, NULL, "docker.io/library/a/b", "library/a/b"},
	{"quay.io/a/b_c/d__e-f:v1.2_3-x", "quay.io", "a/b_c/d__e-f", "v1.2_3-x", NULL, "quay.io/a/b_c/d__e-f:v1.2_3-x",
	 "quay.io/a/b_c/d__e-f:v1.2_3-x"},
	{"localhost/x", "localhost", "x", NULL, NULL, "localhost/x", "localhost/x"},
	{"localhost:5000/x:y", "localhost:5000", "x", "y", NULL, "localhost:5000/x:y", "localhost:5000/x:y"},
	{"host:5000/x", "host:5000", "x", NULL, NULL, "host:5000/x", "host:5000/x"},
	{"HOST/x", "HOST", "x", NULL, NULL, "HOST/x", "HOST/x"},
	{"[::1]:80/a", "[::1]:80", "a", NULL, NULL, "[::1]:80/a", "[::1]:80/a"},
	{"[fd00::2]/a:b", "[fd00::2]", "a", "b", NULL, "[fd00::2]/a:b", "[fd00::2]/a:b"},
	{"a@" SHA256, "docker.io", "library/a", NULL, SHA256, "docker.io/library/a@" SHA256, "a@" SHA256},
	{"a:1@" SHA256, "docker.io", "library/a", "1", SHA256, "docker.io/library/a:1@" SHA256, "a:1@" SHA256},
	{"a---b", "docker.io", "library/a---b", NULL, NULL, "docker.io/library/a---b", "a---b"},
	{"a:_x", "docker.io", "library/a", "_x", NULL, "docker.io/library/a:_x", "a:_x"},
	{"a:" T128, "docker.io", "library/a", T128, NULL, "docker.io/library/a:" T128, "a:" T128},
	/* A path that looks like a registry keeps its full form. */
	{"docker.io/localhost/x", "docker.io", "localhost/x", NULL, NULL, "docker.io/localhost/x",
	 "docker.io/localhost/x"},
	{"docker.io/a.b/x", "docker.io", "a.b/x", NULL, NULL, "docker.io/a.b/x", "docker.io/a.b/x"},
};

static const struct {
	const char *text;
	const char *part; /* of the message */
} bad[] = {
	{"", "it is empty"},
	{"Debian", "must be lower case"},
	{"quay.io/A/b", "must be lower case"},
	{"-a", "letters, digits"},
	{"a-", "letters, digits"},
	{"a..b", "letters, digits"},
	{"a___b", "letters, digits"},
	{"a._b", "letters, digits"},
	{"a//b", "letters, digits"},
	{"a/", "letters, digits"},
	{"/a", "letters, digits"},
	{"../a", "not a registry"},
	{"a/../b", "letters, digits"},
	{"./a", "not a registry"},
	{"a b", "letters, digits"},
	{"\xc3\xa4", "letters, digits"},
	{"a:", "a tag has"},
	{"a:-x", "a tag has"},
	{"a:.x", "a tag has"},
	{"a:x/y", "not a registry"},
	{"a:x y", "a tag has"},
	{"a:b:c", "letters, digits"},
	{"a:" T128 "a", "a tag has"},
	{"a@", "behind the @"},
	{"a@sha256:x", "behind the @"},
	{"a@sha256:" H64 "0", "behind the @"},
	{"a@md5:0123", "behind the @"},
	{"a@SHA256:" H64, "behind the @"},
	{"a@sha256:../../../../../etc/passwd", "behind the @"},
	{"@" SHA256, "letters, digits"},
	{H64, "an image's id"},
	{"a.:80/b", "not a registry"},
	{"-h.io/b", "not a registry"},
	{"h-.io/b", "not a registry"},
	{"h.io:/b", "not a registry"},
	{"h.io:65536/b", "not a registry"},
	{"h.io:8x/b", "not a registry"},
	{"[::1/b", "not a registry"},
	{"[::g]:1/b", "not a registry"},
	{"http://a/b", "not a registry"},
	{"a\nb", "control characters"},
	{"a/" T128 T128, "longer than 255"},
};

TEST(a_scheme_is_told_to_go)
{
	struct arena a = {0};
	struct image_reference r;
	struct error err = {0};

	CHECK(image_reference_parse(&a, "docker://quay.io/a/b:1", &r, &err) < 0);
	CHECK_STR(err.hint, "a name has no scheme: write it as quay.io/a/b:1");
	err = (struct error){0};
	CHECK(image_reference_parse(&a, "docker://", &r, &err) < 0);
	CHECK_STR(err.hint, "");
	arena_done(&a);
}

TEST(good_references)
{
	struct arena a = {0};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct image_reference r = {0};
		struct error err = {0};

		ROW(good[i].text);
		if (!CHECK_INT(image_reference_parse(&a, good[i].text, &r, &err), 0))
			continue;
		CHECK_STR(r.domain, good[i].domain);
		CHECK_STR(r.path, good[i].path);
		CHECK_STR(r.tag, good[i].tag);
		CHECK_STR(r.digest, good[i].digest);
		CHECK_STR(image_reference_full(&a, &r), good[i].full);
		CHECK_STR(image_reference_familiar(&a, &r), good[i].familiar);
	}
	arena_done(&a);
}

TEST(bad_references)
{
	struct arena a = {0};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct image_reference r = {0};
		struct error err = {0};

		ROW(bad[i].text);
		CHECK(image_reference_parse(&a, bad[i].text, &r, &err) < 0);
		CHECK_INT(err.kind, ERROR_INVALID);
		CHECK_CONTAINS(err.msg, bad[i].part);
	}
	arena_done(&a);
}
