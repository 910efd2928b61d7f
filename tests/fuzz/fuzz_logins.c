/* SPDX-License-Identifier: Apache-2.0 */
/* auth.json and config.json: whatever they hold, a login is text without control characters or there is none. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "registry/login.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const domains[] = {"docker.io", "reg.example", "localhost:5000"};
	struct arena a = {0};
	struct json *j = NULL;
	struct error err = {0};

	if (json_parse((const char *)data, size, "auth.json", &j, &err) == 0) {
		for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++) {
			struct registry_login login = {0};
			const char *helper = NULL;
			int r = login_from_document(&a, j, "auth.json", domains[i], "team/app", &login, &helper, &err);

			if (r > 0 && !helper && !login.username && !login.identity_token)
				abort();
		}
	}
	json_unref(j);
	arena_done(&a);
	return 0;
}
