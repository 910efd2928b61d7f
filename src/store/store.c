/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store as a place: where it is, its folders, who may look into them. Nothing below the root is readable by others:
 * layers hold set-id programs (V23, CVE-2021-41091).
 */
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

static const char layout_text[] = "{\"imageLayoutVersion\":\"1.0.0\"}\n";

static int default_root(char **ret, struct error *err)
{
	const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");

	if (geteuid() == 0)
		*ret = mem_strdup("/var/lib/bothy");
	else if (data && data[0] == '/')
		*ret = mem_printf("%s/bothy", data);
	else if (home && home[0] == '/')
		*ret = mem_printf("%s/.local/share/bothy", home);
	else
		return error_set(err, ERROR_INVALID, ENOENT,
				 "no place for images: neither XDG_DATA_HOME nor HOME is set");
	return 0;
}

static int make_folders(int root_fd, struct error *err)
{
	static const char *const names[] = {"blobs", "layers", "containers", "staging"};
	autofd int blobs = FD_NONE;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (safepath_mkdir(root_fd, names[i], 0700, SAFEPATH_KEEP, NULL, err) < 0)
			return -err->code;
	}
	blobs = safepath_child(root_fd, "blobs", O_RDONLY | O_DIRECTORY, err);
	if (blobs < 0 || safepath_mkdir(blobs, "sha256", 0700, SAFEPATH_KEEP, NULL, err) < 0)
		return -err->code;
	/* Last: its presence says that the folders are there. */
	return safepath_write_file(root_fd, "oci-layout", layout_text, sizeof(layout_text) - 1, 0600, true, err);
}

int store_new(const struct store_options *options, struct store **ret, struct error *err)
{
	autostore struct store *s = mem_zalloc(1, sizeof(*s));
	struct stat st;

	s->root_fd = FD_NONE;
	if (options && options->root)
		s->root = mem_strdup(options->root);
	else if (default_root(&s->root, err) < 0)
		return -err->code;
	if (s->root[0] != '/')
		return error_set(err, ERROR_INVALID, EINVAL, "the store's folder '%s' must be an absolute path",
				 s->root);
	if (options && options->unpack_program)
		s->unpack_program = mem_strdup(options->unpack_program);
	s->root_fd = safepath_state_open(s->root, err);
	if (s->root_fd < 0)
		return error_wrap(err, "open the store");
	if (safepath_stat(s->root_fd, "oci-layout", &st) < 0 && make_folders(s->root_fd, err) < 0)
		return error_wrap(err, "make the store %s", s->root);
	*ret = take_ptr(&s);
	return 0;
}

void store_free(struct store *s)
{
	if (!s)
		return;
	index_close(s);
	fd_close(&s->root_fd);
	strv_done(&s->distrust);
	free(s->root);
	free(s->unpack_program);
	free(s);
}

const char *store_root(const struct store *s)
{
	return s->root;
}

int store_root_fd(const struct store *s)
{
	return s->root_fd;
}

int store_folder(struct store *s, const char *name, struct error *err)
{
	int fd = safepath_open_dir(s->root_fd, name, false, err);

	return fd < 0 ? error_wrap(err, "the store %s is damaged", s->root) : fd;
}

int store_folder_empty(int dir_fd, bool *ret, struct error *err)
{
	autostrv struct strv names = {0};

	if (safepath_list(dir_fd, &names, err) < 0)
		return -err->code;
	*ret = names.count == 0;
	return 0;
}

int store_sync_folder(struct store *s, const char *name, struct error *err)
{
	autofd int fd = store_folder(s, name, err);

	if (fd < 0)
		return fd;
	return fsync(fd) < 0 ? error_sys(err, errno, "cannot make %s/%s durable", s->root, name) : 0;
}

void store_chain_id(const char *parent, const char *diff_id, char out[static DIGEST_TEXT_MAX])
{
	char text[2 * DIGEST_TEXT_MAX];

	if (!parent) {
		(void)str_copy(out, DIGEST_TEXT_MAX, diff_id); /* both are valid digests of one length */
		return;
	}
	int len = snprintf(text, sizeof(text), "%s %s", parent, diff_id);

	digest_of(text, (size_t)len, out);
}

int store_blob_read(struct store *s, const char *digest, char **ret_text, size_t *ret_len, struct error *err)
{
	autobuf struct buf text = BUF_INIT(IMAGE_CONFIG_MAX_BYTES);
	autofd int dir = FD_NONE;
	char is[DIGEST_TEXT_MAX];

	if (!digest_supported(digest))
		return error_set(err, ERROR_INVALID, EINVAL, "'%.100s' is no sha256 digest", digest);
	dir = store_folder(s, "blobs/sha256", err);
	if (dir < 0 || safepath_read_file(dir, image_digest_hex(digest), &text, err) < 0)
		return error_wrap(err, "blob %s", digest);
	digest_of(buf_str(&text), text.len, is);
	if (!str_eq(is, digest)) {
		error_set(err, ERROR_INVALID, EBADMSG, "blob %s in %s is damaged: its content has digest %s", digest,
			  s->root, is);
		return error_hint(err, "remove the image and load it again");
	}
	if (ret_len)
		*ret_len = text.len;
	buf_puts(&text, "");
	*ret_text = buf_take(&text);
	return 0;
}

void store_digest_of(const void *data, size_t len, char out[static STORE_DIGEST_MAX])
{
	digest_of(data, len, out);
}

bool store_digest_supported(const char *digest)
{
	return digest_supported(digest);
}

int store_blob_open(struct store *s, const char *digest, int64_t *ret_size, struct error *err)
{
	autofd int dir = FD_NONE, fd = FD_NONE;
	struct stat st;

	if (!digest_supported(digest))
		return error_set(err, ERROR_INVALID, EINVAL, "'%.100s' is no sha256 digest", digest);
	dir = store_folder(s, "blobs/sha256", err);
	fd = dir < 0 ? dir : safepath_child(dir, image_digest_hex(digest), O_RDONLY, err);
	if (fd < 0)
		return error_wrap(err, "blob %s", digest);
	if (fstat(fd, &st) < 0)
		return error_sys(err, errno, "look at blob %s", digest);
	if (ret_size)
		*ret_size = st.st_size;
	return take_fd(&fd);
}

void store_distrust(struct store *s, const char *digest)
{
	if (!strv_contains(&s->distrust, digest))
		strv_push(&s->distrust, digest);
}

int store_layer_open(struct store *s, const struct store_layer *layer, struct error *err)
{
	int fd = safepath_open_dir(s->root_fd, layer->path, true, err);

	if (fd >= 0)
		return fd;
	error_wrap(err, "layer %s is missing from the store", layer->chain_id);
	return error_hint(err, "remove the image and load it again");
}

int store_blob_known(struct store *s, const char *digest, struct error *err)
{
	int64_t known = 0;

	if (index_open(s, false, err) < 0 ||
	    (s->db && index_number(s, err, &known, "SELECT 1 FROM blobs WHERE digest = ?1", digest, NULL) < 0))
		return -err->code;
	return known != 0;
}

void store_digest_text(const void *text, size_t len, char ret[static STORE_ID_MAX])
{
	digest_of(text, len, ret);
}

int store_digest_file(int fd, char ret[static STORE_ID_MAX], int64_t *ret_size, struct error *err)
{
	enum { PIECE_BYTES = 1 << 20 };
	autofree unsigned char *data = mem_alloc(PIECE_BYTES);
	unsigned char raw[DIGEST_RAW_BYTES];
	struct digest d;
	struct stat st;
	off_t at = 0;
	ssize_t n;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return error_set(err, ERROR_INVALID, EINVAL, "it is no regular file");
	digest_init(&d);
	while ((n = pread(fd, data, PIECE_BYTES, at)) > 0) {
		digest_add(&d, data, (size_t)n);
		at += n;
	}
	if (n < 0)
		return error_sys(err, errno, "cannot read it");
	digest_end(&d, raw);
	digest_text(raw, ret);
	*ret_size = at;
	return 0;
}
