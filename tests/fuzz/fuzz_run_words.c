/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The small words of `bothy run`: --ulimit, --uidmap, --time-offset, --cpus, --device-cgroup-rule and the detach keys. Each
 * parser gets the whole text; what it takes must be within its bounds.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct spec_device_rule rule = {};
	struct spec_time_offset offset = {};
	struct spec_rlimit limit = {};
	struct spec_id_map map = {};
	struct error err = {};
	struct arena a = {};
	char *text = arena_strndup(&a, (const char *)data, size);
	int64_t quota = 0;
	bool boottime = false;
	int keys;

	if (engine_ulimit_parse(text, &limit, &err) == 0 && (limit.resource < 0 || limit.soft > limit.hard))
		abort();
	if (engine_ids_parse_map(text, "--uidmap", &map, &err) == 0 && !map.size)
		abort();
	if (engine_time_offset_parse(text, &boottime, &offset, &err) == 0 &&
	    (!offset.set || offset.nanosecs > 999999999))
		abort();
	if (engine_cpus_to_quota(text, &quota, &err) == 0 && (quota < 1000 || quota > INT64_C(100000) * 1000000))
		abort();
	if (engine_device_rule_parse(text, &rule, &err) == 0 &&
	    (!strchr("abc", rule.type) || !rule.access || rule.major < -1 || rule.minor < -1))
		abort();
	keys = runtime_check_detach_keys(text);
	if (keys > 16)
		abort();
	arena_done(&a);
	return 0;
}
