/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The least that unpacking an image's layers can take: a process per processor takes one layer after the other, largest
 * first, inflates it with the fastest library there is and writes what the tar says, all into one file system. No digest,
 * no check, no owner, no time, no record, no sandbox, no network; only what a reader needs in order not to crash.
 *
 * With --digests it makes the two digests that an engine must check: of each layer as it came and of what is in it.
 *
 * usage: floor-pull [--digests] DIR LAYER...       DIR must be there and empty; each layer gets a folder in it
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zstd.h>
#ifdef NO_ISAL
#include <zlib.h>
#else
#include <isa-l/igzip_lib.h>
#endif

#define LAYERS_MAX 128
#define OUT_BYTES (1u << 20)

struct layer {
	const char *path;
	off_t size;
};
/* Where the tar reader is. */
struct reader {
	unsigned char block[512];
	size_t have;   /* bytes of the header block */
	uint64_t left; /* data of the entry */
	uint64_t skip; /* padding */
	char *text;    /* payload of an 'x' or 'L' entry */
	size_t text_len, text_at;
	char name[4096], link[4096]; /* from extended headers */
	char type;
	int fd;
};

static bool with_digests;
static SHA256_CTX content;

static uint64_t number(const unsigned char *field, size_t len)
{
	uint64_t n = 0;

	for (size_t i = 0; i < len && field[i] >= '0' && field[i] <= '7'; i++)
		n = n * 8 + (field[i] - '0');
	return n;
}

/* A record "27 path=some/name\n" of an extended header. */
static void take_pax(struct reader *r)
{
	for (char *p = r->text, *end = r->text + r->text_len; p < end;) {
		size_t len = strtoul(p, NULL, 10);
		char *key = memchr(p, ' ', (size_t)(end - p));

		if (!len || !key || p + len > end)
			return;
		key++;
		size_t value = len - (size_t)(key - p) - 6;

		if (strncmp(key, "path=", 5) == 0)
			(void)snprintf(r->name, sizeof(r->name), "%.*s", (int)value, key + 5);
		if (strncmp(key, "linkpath=", 9) == 0)
			(void)snprintf(r->link, sizeof(r->link), "%.*s", (int)(value - 4), key + 9);
		p += len;
	}
}

static void begin_entry(struct reader *r)
{
	const char *h = (const char *)r->block;
	unsigned int mode = (unsigned int)number(r->block + 100, 8) & 0777;
	char name[4096], link[4096];

	r->left = number(r->block + 124, 12);
	r->skip = -r->left % 512;
	r->type = h[156];
	r->fd = -1;
	if (r->type == 'x' || r->type == 'L' || r->type == 'K') {
		r->text_len = r->left;
		r->text_at = 0;
		r->text = realloc(r->text, r->left + 1);
		return;
	}
	if (r->name[0])
		(void)snprintf(name, sizeof(name), "%s", r->name);
	else if (h[257] && h[345] && memcmp(h + 257, "ustar\0", 6) == 0)
		(void)snprintf(name, sizeof(name), "%.155s/%.100s", h + 345, h);
	else
		(void)snprintf(name, sizeof(name), "%.100s", h);
	if (r->link[0])
		(void)snprintf(link, sizeof(link), "%s", r->link);
	else
		(void)snprintf(link, sizeof(link), "%.100s", h + 157);
	r->name[0] = r->link[0] = '\0';
	char *at = name;

	while (*at == '/' || (at[0] == '.' && at[1] == '/'))
		at++;
	if (!*at || strcmp(at, ".") == 0)
		return;
	if (r->type == '0' || r->type == '\0') {
		r->fd = open(at, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode | 0200);
		if (r->fd < 0 && errno == ENOENT) { /* a folder of a lower layer */
			for (char *slash = at; (slash = strchr(slash, '/')); slash++) {
				*slash = '\0';
				(void)mkdir(at, 0755);
				*slash = '/';
			}
			r->fd = open(at, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode | 0200);
		}
		if (r->fd < 0)
			err(1, "%s", at);
	} else if (r->type == '5') {
		(void)mkdir(at, mode | 0700);
	} else if (r->type == '2') {
		(void)symlink(link, at);
	} else if (r->type == '1') {
		(void)linkat(AT_FDCWD, link[0] == '.' ? link + 2 : link, AT_FDCWD, at, 0);
	}
}

static void take(struct reader *r, const unsigned char *data, size_t len)
{
	if (with_digests)
		SHA256_Update(&content, data, len);
	while (len > 0) {
		size_t n;

		if (r->left > 0) {
			n = len < r->left ? len : (size_t)r->left;
			if (r->fd >= 0 && write(r->fd, data, n) != (ssize_t)n)
				err(1, "write");
			if (r->text && r->text_at < r->text_len)
				memcpy(r->text + r->text_at, data, n), r->text_at += n;
			r->left -= n;
		} else if (r->skip > 0) {
			n = len < r->skip ? len : (size_t)r->skip;
			r->skip -= n;
		} else {
			n = len < 512 - r->have ? len : 512 - r->have;
			memcpy(r->block + r->have, data, n);
			r->have += n;
			if (r->have == 512) {
				r->have = 0;
				if (r->block[0])
					begin_entry(r);
			}
		}
		data += n;
		len -= n;
		if (r->left == 0 && r->fd >= 0) {
			close(r->fd);
			r->fd = -1;
		}
		if (r->left == 0 && r->text && r->text_at == r->text_len && r->text_len) {
			r->text[r->text_len] = '\0';
			if (r->type == 'x')
				take_pax(r);
			else
				(void)snprintf(r->type == 'L' ? r->name : r->link, sizeof(r->name), "%s", r->text);
			r->text_len = r->text_at = 0;
		}
	}
}

static void inflate_zstd(struct reader *r, const unsigned char *in, size_t len, unsigned char *out)
{
	ZSTD_DCtx *z = ZSTD_createDCtx();
	ZSTD_inBuffer from = {.src = in, .size = len};

	while (from.pos < from.size) {
		ZSTD_outBuffer to = {.dst = out, .size = OUT_BYTES};

		if (ZSTD_isError(ZSTD_decompressStream(z, &to, &from)))
			errx(1, "zstd");
		take(r, out, to.pos);
	}
}

static void inflate_gzip(struct reader *r, const unsigned char *in, size_t len, unsigned char *out)
{
#ifdef NO_ISAL
	z_stream z = {.next_in = (unsigned char *)(uintptr_t)in, .avail_in = (unsigned int)len};
	int got = inflateInit2(&z, 31);

	while (got == Z_OK) {
		z.next_out = out;
		z.avail_out = OUT_BYTES;
		got = inflate(&z, Z_NO_FLUSH);
		take(r, out, OUT_BYTES - z.avail_out);
	}
#else
	static struct inflate_state z;

	isal_inflate_init(&z);
	z.crc_flag = ISAL_GZIP;
	z.next_in = (unsigned char *)(uintptr_t)in;
	z.avail_in = (uint32_t)len;
	do {
		z.next_out = out;
		z.avail_out = OUT_BYTES;
		if (isal_inflate(&z) < 0)
			errx(1, "gzip");
		take(r, out, OUT_BYTES - z.avail_out);
	} while (z.block_state != ISAL_BLOCK_FINISH);
#endif
}

static void unpack(const char *dir, const struct layer *l, unsigned int number_of, unsigned char *out)
{
	static struct reader r;
	char folder[4096];
	int fd = open(l->path, O_RDONLY | O_CLOEXEC);
	const unsigned char *in = fd < 0 ? MAP_FAILED : mmap(NULL, (size_t)l->size, PROT_READ, MAP_PRIVATE, fd, 0);

	if (in == MAP_FAILED)
		err(1, "%s", l->path);
	(void)snprintf(folder, sizeof(folder), "%s/%u", dir, number_of);
	if (mkdir(folder, 0755) < 0 || chdir(folder) < 0)
		err(1, "%s", folder);
	r = (struct reader){.fd = -1};
	if (with_digests) {
		unsigned char digest[SHA256_DIGEST_LENGTH];

		SHA256(in, (size_t)l->size, digest);
		SHA256_Init(&content);
	}
	if (in[0] == 0x28)
		inflate_zstd(&r, in, (size_t)l->size, out);
	else
		inflate_gzip(&r, in, (size_t)l->size, out);
	(void)munmap((void *)(uintptr_t)in, (size_t)l->size);
	close(fd);
}

static int larger_first(const void *a, const void *b)
{
	const struct layer *x = a, *y = b;

	return (x->size < y->size) - (x->size > y->size);
}

int main(int argc, char *argv[])
{
	static struct layer layers[LAYERS_MAX];
	unsigned int count = 0;
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned int *next = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool ok = true;
	int status;

	if (argc > 1 && strcmp(argv[1], "--digests") == 0) {
		with_digests = true;
		argc--;
		argv++;
	}
	char *dir = argc > 1 ? realpath(argv[1], NULL) : NULL;

	if (!dir || argc < 3 || argc - 2 > LAYERS_MAX || next == MAP_FAILED)
		errx(2, "usage: floor-pull [--digests] DIR LAYER...");
	for (int i = 2; i < argc; i++) {
		struct stat st;

		if (stat(argv[i], &st) < 0)
			err(1, "%s", argv[i]);
		layers[count++] = (struct layer){argv[i], st.st_size};
	}
	qsort(layers, count, sizeof(layers[0]), larger_first);
	for (long i = 0; i < processors; i++) {
		if (fork() != 0)
			continue;
		unsigned char *out = malloc(OUT_BYTES);
		unsigned int n;

		if (!out)
			abort();
		while ((n = __atomic_fetch_add(next, 1, __ATOMIC_RELAXED)) < count)
			unpack(dir, &layers[n], n, out);
		_exit(0);
	}
	while (wait(&status) > 0)
		ok = ok && status == 0;
	return ok ? 0 : 1;
}
