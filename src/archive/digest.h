/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_DIGEST_H
#define ARCHIVE_DIGEST_H

/* SHA-256 in the words of OCI: bytes in, "sha256:<64 hex>" out. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/sha.h>

#define DIGEST_RAW_BYTES 32
#define DIGEST_HEX_LEN 64
#define DIGEST_TEXT_MAX (7 + DIGEST_HEX_LEN + 1) /* "sha256:", hex, NUL */

struct digest {
	SHA256_CTX ctx;
};

void digest_init(struct digest *d);
void digest_add(struct digest *d, const void *data, size_t len);
/* The result; @d must be initialised again before further use. */
void digest_end(struct digest *d, unsigned char out[static DIGEST_RAW_BYTES]);
void digest_text(const unsigned char raw[static DIGEST_RAW_BYTES], char out[static DIGEST_TEXT_MAX]);
/* The digest of one piece of memory. */
void digest_of(const void *data, size_t len, char out[static DIGEST_TEXT_MAX]);
/* Is @digest valid and SHA-256? (sha512 is valid in OCI; nothing writes it, and the store does not take it.) */
bool digest_supported(const char *digest);

#endif
