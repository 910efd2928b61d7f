/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 by OpenSSL's block functions, which pick the CPU's own instructions. The direct calls are used, not EVP: they
 * need no provider, no heap and no start-up work, and a static program carries 30 KB of libcrypto instead of 4 MB.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "archive/digest.h"

#include <string.h>

#include "base/str.h"
#include "spec/image.h"

void digest_init(struct digest *d)
{
	SHA256_Init(&d->ctx);
}

void digest_add(struct digest *d, const void *data, size_t len)
{
	SHA256_Update(&d->ctx, data, len);
}

void digest_end(struct digest *d, unsigned char out[static DIGEST_RAW_BYTES])
{
	SHA256_Final(out, &d->ctx);
}

void digest_text(const unsigned char raw[static DIGEST_RAW_BYTES], char out[static DIGEST_TEXT_MAX])
{
	static const char hex[] = "0123456789abcdef";
	char *p = out + 7;

	memcpy(out, "sha256:", 7);
	for (size_t i = 0; i < DIGEST_RAW_BYTES; i++) {
		*p++ = hex[raw[i] >> 4];
		*p++ = hex[raw[i] & 15];
	}
	*p = '\0';
}

void digest_of(const void *data, size_t len, char out[static DIGEST_TEXT_MAX])
{
	unsigned char raw[DIGEST_RAW_BYTES];
	struct digest d;

	digest_init(&d);
	digest_add(&d, data, len);
	digest_end(&d, raw);
	digest_text(raw, out);
}

bool digest_supported(const char *digest)
{
	return digest && image_digest_valid(digest) && str_starts(digest, "sha256:");
}
