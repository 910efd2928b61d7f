/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNPACK_PROTOCOL_H
#define UNPACK_PROTOCOL_H

/*
 * Between the store and bothy-unpack: what is asked and what is answered. Both ends come from one build, so the messages
 * are plain structs; the store still treats every answer as hostile (lengths first, strings terminated by hand).
 *
 * The program's fds: 0 input (a layer, an archive), 3 the only folder, 4 a stream socket: one struct unpack_job in, then
 * messages out, the last of which is UNPACK_REPORT; 5 the partial file of a blob that is being received.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "archive/digest.h"
#include "base/error.h"
#include "unpack/unpack.h"

#define UNPACK_INPUT_FD 0
#define UNPACK_DIR_FD 3
#define UNPACK_TALK_FD 4
#define UNPACK_PARTIAL_FD 5
#define UNPACK_MAGIC 0x62747533u /* changes with these structs */

enum unpack_kind {
	UNPACK_LAYER,  /* apply the layer at fd 0 to the empty folder */
	UNPACK_SPLIT,  /* write each file of the archive at fd 0 as m<number>, whatever its name */
	UNPACK_REMOVE, /* delete everything in the folder (owners that only the user namespace reaches) */
	UNPACK_VERIFY, /* compare the folder, read-only, with the layer at fd 0 */
	UNPACK_DIFF,   /* the folder has all layers, read-only; fd 0 lists those of two images */
	UNPACK_SAVE,   /* only receive the blob, see UNPACK_RECEIVE */
	UNPACK_KIND_COUNT
};

enum unpack_flags {
	UNPACK_SINGLE_ID = 1,  /* only one id is mapped: owners are not set */
	UNPACK_HASH_IN = 2,    /* report the digest of the input as it is stored */
	UNPACK_OWN_MOUNTS = 4, /* we were born into a mount namespace of our own */
	UNPACK_RECEIVE = 8,    /* the input is the partial file, then fd 0, kept in the partial file: receive.h */
	UNPACK_SYNC = 16,      /* what was made is durable before the report */
};

struct unpack_job {
	uint32_t magic, kind, flags;
	uint32_t nice;               /* how far the worker stands back, 0 to 19 */
	struct unpack_limits limits; /* no zeros */
	uint64_t blob_size;          /* UNPACK_RECEIVE: of the whole blob */
};

static inline bool unpack_only_reads(const struct unpack_job *job)
{
	return job->kind == UNPACK_VERIFY || job->kind == UNPACK_DIFF;
}

enum unpack_message_type {
	UNPACK_REPORT,
	UNPACK_MEMBER,
	UNPACK_IMPLIED,
	UNPACK_FINDING,
	UNPACK_CHANGE,
	UNPACK_WAITING, /* another command is receiving this blob */
	UNPACK_READY,   /* we hold the lock now, and wait for one byte */
	UNPACK_MESSAGE_COUNT
};
#define UNPACK_MESSAGE_MAX 16384u

struct unpack_message {
	uint32_t type, len; /* of what follows */
};

struct unpack_report {
	uint32_t failed; /* err holds why */
	uint32_t compression;
	uint64_t entries, file_bytes, bytes_in, bytes_out;
	uint64_t devices_skipped; /* device nodes that the layer had: never made, see docs/store.md */
	uint64_t xattrs_dropped;  /* overlay's own and those of the kernel's security modules */
	uint64_t findings;        /* UNPACK_VERIFY: differences, of which the first thousand were said */
	unsigned char digest_in[DIGEST_RAW_BYTES], digest_out[DIGEST_RAW_BYTES];
	struct error err;
};

/* One file of a split archive; its name and link target follow, without terminators. UNPACK_IMPLIED is just a path: a folder
 * that the layer has files in but no entry for. */
struct unpack_member {
	uint32_t type; /* enum tar_type: TAR_FILE, TAR_HARDLINK, TAR_SYMLINK */
	uint32_t number;
	uint64_t size;
	unsigned char digest[DIGEST_RAW_BYTES];
	uint16_t name_len, link_len;
	uint32_t pad;
};

/* A difference between a layer and its archive; the path and a sentence follow, without terminators. */
struct unpack_finding {
	uint32_t kind; /* enum unpack_finding_kind */
	uint16_t path_len, text_len;
};

/* A difference between two images; the path follows. */
struct unpack_status {
	uint32_t mode, uid, gid, pad;
	uint64_t size;
};
struct unpack_change {
	uint32_t kind;                  /* enum unpack_change_kind */
	uint32_t what;                  /* enum unpack_changed */
	struct unpack_status status[2]; /* old, new */
};

#endif
