/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_SCP_H
#define ENGINE_SCP_H

/*
 * How two hosts agree on what has to move: one JSON object a line, in both directions, and then one archive.
 *
 *	receiver                          sender
 *	{"bothy":1,"kind":"hello"}  ────>
 *	                            <────  offer: the layers of the image, with their sizes
 *	want: which of them         ────>
 *	                            <────  an archive with these and the documents, to the end of the stream
 *	done, or error              ────>   (not where the receiver is the near end: the sender has ended by then)
 *
 * Where the far end has no bothy, a line of shell speaks for docker or podman: engine, the layers of its images (docker only:
 * its load does without layers that it has), ready; then its own load or save has the stream.
 */

#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/buf.h"
#include "spec/image.h"

#define SCP_LINE_MAX (1u << 20)
#define SCP_BLOBS_MAX 4096u  /* of one offer: eight images of the most layers */
#define SCP_LINES_MAX 65536u /* that are read while waiting for the next step */

enum scp_kind {
	SCP_HELLO,
	SCP_OFFER,  /* digests, sizes */
	SCP_WANT,   /* digests */
	SCP_DONE,   /* digests: ids; names */
	SCP_ERROR,  /* text, hint */
	SCP_ENGINE, /* text: its name */
	SCP_READY,
	SCP_LAYERS, /* digests: the diff_ids of an image at the far end (a mere list, as docker prints it) */
	SCP_KIND_COUNT
};
struct scp_message {
	struct arena arena;
	enum scp_kind kind;
	struct spec_strs digests; /* each a valid sha256 digest */
	int64_t *sizes;           /* SCP_OFFER: as many as digests */
	struct spec_strs names;   /* each a valid reference */
	const char *text, *hint;  /* NULL: not given */
};
void scp_message_done(struct scp_message *m);
#define autoscp __attribute__((cleanup(scp_message_done)))

/* Pure. Returns 0, or <0 INVALID. */
int scp_parse(const char *line, size_t len, struct scp_message *ret, struct error *err);
/* The line with its end. False: too long. */
bool scp_format(const struct scp_message *m, struct buf *out);

/* "ssh://[user@]host[:port][/name]" or "[user@]host::[name]". Memory in @a. Pure.
 * Returns 1, 0 (it names an image here), or <0 INVALID. */
struct scp_place {
	const char *destination; /* "[user@]host", safe as an argument */
	const char *port;        /* NULL: not given */
	const char *name;        /* NULL: not given */
};
int scp_place_parse(struct arena *a, const char *text, struct scp_place *ret, struct error *err);

#endif
