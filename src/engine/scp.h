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
#include "engine/engine.h"
#include "kernel/program.h"
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

/* ---- lines on their streams (scp_talk.c) ---- */

/* Ends of the talk. */
struct scp_talk {
	int in, out; /* borrowed */
};
/* Returns 0 also when the other end has gone: why is in what it said before, or in its lack. */
int scp_say(const struct scp_talk *t, const struct scp_message *m, struct error *err);
/* The next message (of @kind). Lines that are none (a greeting of the login shell) are passed over; what stands behind the line is
 * not read: an archive may follow. An error that the other end tells is returned as UNAVAILABLE, its end as EPIPE. */
int scp_hear(const struct scp_talk *t, struct scp_message *ret, struct error *err);
int scp_hear_kind(const struct scp_talk *t, enum scp_kind kind, struct scp_message *ret, struct error *err);

/* ---- the two sides, each of which may be the near or the far one ---- */

/* Who watches the archive; a NULL function: nobody. */
struct scp_watch {
	store_watch_fn fn;
	void *arg;
};

/* What is to be sent (scp_send.c). */
struct scp_source {
	struct engine *engine; /* borrowed */
	const char *name;      /* the image here */
	const char *as;        /* what it shall be called there; NULL: as here */
	const char *platform;  /* of an image for several; NULL: all that are here */
	const struct scp_watch *watch;
	struct store_save_plan plan; /* owned */
};
void scp_source_done(struct scp_source *s);
/* Find the image and hold it open. */
int scp_source_open(struct scp_source *s, struct error *err);
/* Send it; @out (t->out) is closed behind the archive, whose end nothing else marks. @answered: the other end says how it went (that
 * works in one direction only: ssh closes its output when the far command has ended, and no sooner). */
int scp_send(struct scp_source *s, struct scp_talk *t, int *out, bool answered, struct engine_scp_result *ret,
	     struct error *err);

/* What is to be taken (scp_receive.c). */
struct scp_sink {
	struct engine *engine; /* borrowed */
	const char *as;        /* what it shall be called here; NULL: as its sender says */
	bool no_names;         /* no name at all */
	const char *platform;  /* of an archive of docker or podman for several; NULL: this machine's */
	const struct scp_watch *watch;
};
/* @out (may be NULL) is closed when everything is said. */
int scp_receive(const struct scp_sink *s, const struct scp_talk *t, int *out, struct engine_scp_result *ret,
		struct error *err);

/* ---- ssh (scp_ssh.c) ---- */

struct scp_ssh {
	struct program program;
	const char *name; /* of the host, borrowed */
	char *command;    /* owned: how it is reached, for what to try next */
};
#define SCP_SSH_NONE ((struct scp_ssh){.program = PROGRAM_NONE})
/* Start what takes an image there, or with @send_name sends one. @rsh: the command, split at blanks. */
int scp_ssh_start(const char *rsh, const struct scp_place *place, const char *send_name, const char *platform,
		  struct scp_ssh *ret, struct error *err);
/* Its end, when all went well here; what an engine at the far end printed on the way goes to @ret->said. */
int scp_ssh_finish(struct scp_ssh *s, struct engine_scp_result *ret, struct error *err);
/* @err is why it did not: ssh's own failure (127, 255) explains more than that the line went dead. Returns the code. */
int scp_ssh_failed(struct scp_ssh *s, struct error *err);
void scp_ssh_done(struct scp_ssh *s);

#endif
