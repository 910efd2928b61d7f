/* SPDX-License-Identifier: Apache-2.0 */
/* Layers as one tree: what overlayfs would show, for trees that are made here. */
#include "test.h"

#include <errno.h>
#include <limits.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/mem.h"
#include "fixture.h"
#include "unpack/merge.h"

#define LAYERS_MAX 4

/* Put into the layer @dir what @words say: "d/" a folder, "d/f" a file, "-f" a whiteout of f, "=d" an opaque folder (a bare "=" the
 * layer's root), "l@x" a symlink to x. */
static bool make_layer(int dir, const char *words)
{
	autostrv struct strv all = {0};

	strv_split(&all, words, ' ');
	for (size_t i = 0; i < all.count; i++) {
		char *w = all.items[i], *at = strchr(w, '@');
		size_t len = strlen(w);

		if (w[0] == '-') {
			if (mknodat(dir, w + 1, S_IFCHR, makedev(0, 0)) < 0)
				return false;
		} else if (w[0] == '=') {
			if (w[1] && mkdirat(dir, w + 1, 0755) < 0)
				return false;
			autofd int fd = openat(dir, w[1] ? w + 1 : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

			if (fd < 0 || fsetxattr(fd, "user.overlay.opaque", "y", 1, 0) < 0)
				return false;
		} else if (at) {
			*at = '\0';
			if (symlinkat(at + 1, dir, w) < 0)
				return false;
		} else if (w[len - 1] == '/') {
			if (mkdirat(dir, w, 0755) < 0)
				return false;
		} else {
			autofd int fd = openat(dir, w, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

			if (fd < 0)
				return false;
		}
	}
	return true;
}

struct tree {
	struct scratch scratch;
	struct merge_layers layers;
	const char *names[LAYERS_MAX];
};

static void tree_done(struct tree *t)
{
	scratch_done(&t->scratch);
}

/* @words: one string a layer, top first, NULL ends. */
static bool tree_make(struct tree *t, const char *const *words)
{
	static const char *const names[LAYERS_MAX] = {"top", "second", "third", "fourth"};

	*t = (struct tree){.scratch = scratch_new()};
	t->layers = (struct merge_layers){.fd = t->scratch.fd, .names = t->names};
	for (size_t i = 0; i < LAYERS_MAX && words[i]; i++) {
		autofree char *path = mem_printf("%s/diff", names[i]);

		if (mkdirat(t->scratch.fd, names[i], 0755) < 0 || mkdirat(t->scratch.fd, path, 0755) < 0)
			return false;
		autofd int fd = openat(t->scratch.fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		t->names[t->layers.count++] = names[i];
		if (fd < 0 || !make_layer(fd, words[i]))
			return false;
	}
	return true;
}

/* The whole tree as "d:01/ d/f:1 ": each name with the layers that it comes from. */
static int show(const struct merge_layers *l, const struct merge_entry *dir, const char *path, struct buf *out,
		struct error *err)
{
	autoclean(merge_list_done) struct merge_list list = {0};

	if (merge_read(l, dir, path, &list, err) < 0)
		return -err->code;
	for (size_t i = 0; i < list.count; i++) {
		const struct merge_entry *e = &list.items[i];
		autofree char *full = mem_printf("%s%s%s", path, *path ? "/" : "", e->name);

		buf_printf(out, "%s%s:", out->len ? " " : "", full);
		for (size_t k = 0; k < e->layer_count; k++)
			buf_printf(out, "%u", e->layers[k]);
		if (!e->is_dir)
			continue;
		buf_putc(out, '/');
		if (show(l, e, full, out, err) < 0)
			return -err->code;
	}
	return 0;
}

TEST(what_overlayfs_would_show)
{
	static const struct {
		const char *layers[LAYERS_MAX + 1], *want;
	} rows[] = {
		{{""}, ""},
		{{"b a B", NULL}, "B:0 a:0 b:0"},
		{{"b", "a c", "a b d"}, "a:1 b:0 c:1 d:2"},
		/* Folders are merged, one name after the other. */
		{{"d/ d/x", "d/ d/y", "d/ d/x d/z"}, "d:012/ d/x:0 d/y:1 d/z:2"},
		{{"d/ d/e/ d/e/a", "d/ d/b", "d/ d/e/ d/e/c"}, "d:012/ d/b:1 d/e:02/ d/e/a:0 d/e/c:2"},
		/* Whiteouts: of a file, of a folder; one that hides nothing; a name that comes again above it. */
		{{"-f", "f g"}, "g:1"},
		{{"-d", "d/ d/x"}, ""},
		{{"-gone", ""}, ""},
		{{"f", "-f", "f"}, "f:0"},
		{{"d/ d/-x", "d/ d/x"}, "d:01/ d/-x:0 d/x:1"},    /* only the character device counts, not a name */
		{{"d/ d/new", "-d", "d/ d/old"}, "d:0/ d/new:0"},
		/* What lies on something else covers it, and ends the merging. */
		{{"n", "n/ n/x"}, "n:0"},
		{{"n/ n/x", "n"}, "n:0/ n/x:0"},
		{{"n/ n/x", "n", "n/ n/y"}, "n:0/ n/x:0"},
		{{"n@other", "n/ n/y", "other/ other/z"}, "n:0 other:2/ other/z:2"},
		{{"n/ n/x", "n@other", "n/ n/y other/ other/z"}, "n:0/ n/x:0 other:2/ other/z:2"},
		/* Opaque folders, here and further up; an opaque mark on the root means nothing. */
		{{"=d d/x", "d/ d/y"}, "d:0/ d/x:0"},
		{{"d/ d/x", "=d d/y", "d/ d/z"}, "d:01/ d/x:0 d/y:1"},
		{{"=d", "d/ d/y", "d/ d/z"}, "d:0/"},
		{{"d/ =d/e d/e/a", "d/ d/f d/e/ d/e/b"}, "d:01/ d/e:0/ d/e/a:0 d/f:1"},
		{{"= a", "b"}, "a:0 b:1"},
		{{"d/", "d/ d/a", "=d", "d/ d/b"}, "d:012/ d/a:1"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		autoclean(tree_done) struct tree t = {.scratch.fd = FD_NONE};
		autobuf struct buf got = BUF_INIT(1 << 16);
		struct arena a = {0};
		struct error err = {0};

		ROW(rows[i].want);
		if (!tree_make(&t, rows[i].layers))
			SKIP("no user.* attributes in /tmp, or no character devices 0:0");
		struct merge_entry root = merge_root(&t.layers, &a);

		CHECK_INT(root.layer_count, t.layers.count);
		CHECK_INT(show(&t.layers, &root, "", &got, &err), 0);
		CHECK_STR(err.msg, "");
		CHECK_STR(buf_str(&got), rows[i].want);
		arena_done(&a);
	}
}

TEST(another_device_is_no_whiteout)
{
	static const char *const layers[] = {"d/", "d/ d/n", NULL};
	autoclean(tree_done) struct tree t = {.scratch.fd = FD_NONE};
	autobuf struct buf got = BUF_INIT(1 << 16);
	struct arena a = {0};
	struct error err = {0};

	REQUIRE(tree_make(&t, layers));
	if (mknodat(t.scratch.fd, "top/diff/d/n", S_IFCHR | 0600, makedev(1, 3)) < 0)
		SKIP("device nodes need more rights");
	struct merge_entry root = merge_root(&t.layers, &a);

	CHECK_INT(show(&t.layers, &root, "", &got, &err), 0);
	CHECK_STR(buf_str(&got), "d:01/ d/n:0");
	arena_done(&a);
}

TEST(looking_at_one_layer)
{
	static const char *const layers[] = {"d/ d/f l@/etc/passwd out@/etc", "d/ d/f/ d/f/g", NULL};
	autoclean(tree_done) struct tree t = {.scratch.fd = FD_NONE};
	char target[PATH_MAX];
	struct error err = {0};
	struct stat st;

	REQUIRE(tree_make(&t, layers));
	CHECK_INT(merge_stat(&t.layers, 0, "d/f", &st, &err), 0);
	CHECK(S_ISREG(st.st_mode));
	CHECK_INT(merge_stat(&t.layers, 1, "d/f", &st, &err), 0);
	CHECK(S_ISDIR(st.st_mode));
	CHECK_INT(merge_stat(&t.layers, 1, "l", &st, &err), -ENOENT);
	/* A symlink is what it is; one on the way leads nowhere but into its own layer. */
	CHECK_INT(merge_stat(&t.layers, 0, "l", &st, &err), 0);
	CHECK(S_ISLNK(st.st_mode));
	CHECK_INT(merge_readlink(&t.layers, 0, "l", target, sizeof(target), &err), 0);
	CHECK_STR(target, "/etc/passwd");
	CHECK(merge_open(&t.layers, 0, "l", O_RDONLY, &err) < 0);
	CHECK(merge_open(&t.layers, 0, "out/passwd", O_RDONLY, &err) < 0);
	CHECK_INT(merge_readlink(&t.layers, 0, "d/f", target, sizeof(target), &err), -EINVAL);
}

TEST(a_folder_that_cannot_be_read_is_named)
{
	static const char *const layers[] = {"d/", NULL};
	uint16_t number = 0;
	const struct merge_entry gone = {.name = "gone", .is_dir = true, .layers = &number, .layer_count = 1};
	autoclean(tree_done) struct tree t = {.scratch.fd = FD_NONE};
	autoclean(merge_list_done) struct merge_list list = {0};
	struct error err = {0};

	REQUIRE(tree_make(&t, layers));
	CHECK_INT(merge_read(&t.layers, &gone, "gone", &list, &err), -ENOENT);
	CHECK_CONTAINS(err.msg, "folder 'gone'");
	CHECK_INT(list.count, 0);
}
