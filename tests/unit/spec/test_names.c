/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/spec.h"

#include <errno.h>
#include <linux/sched.h>
#include <string.h>
#include <sys/resource.h>

#include "base/cleanup.h"
#include "test.h"

TEST(capabilities_both_ways)
{
	for (int i = 0; i < SPEC_CAP_COUNT; i++) {
		REQUIRE(spec_cap_name(i));
		CHECK_INT(spec_cap_from_name(spec_cap_name(i)), i);
		CHECK_INT(spec_cap_from_name(spec_cap_name(i) + 4), i);
	}
	CHECK_INT(spec_cap_from_name("CAP_CHOWN"), 0);
	CHECK_INT(spec_cap_from_name("net_Admin"), 12);
	CHECK_INT(spec_cap_from_name("cap_sys_admin"), 21);
	CHECK_INT(spec_cap_from_name("CAP_CHECKPOINT_RESTORE"), 40);
	CHECK_INT(spec_cap_from_name("CAP_ALL"), -1);
	CHECK_INT(spec_cap_from_name(""), -1);
	CHECK_INT(spec_cap_from_name("CAP_"), -1);
	CHECK(spec_cap_name(41) == NULL);
	CHECK(spec_cap_name(-1) == NULL);
}

TEST(rlimits_both_ways)
{
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		REQUIRE(spec_rlimit_name(i));
		CHECK_INT(spec_rlimit_from_name(spec_rlimit_name(i)), i);
	}
	CHECK_INT(spec_rlimit_from_name("nofile"), RLIMIT_NOFILE);
	CHECK_INT(spec_rlimit_from_name("RLIMIT_FOO"), -1);
	CHECK_INT(spec_rlimit_from_name(""), -1);
	CHECK(spec_rlimit_name(RLIM_NLIMITS) == NULL);
	CHECK(spec_rlimit_name(-1) == NULL);
}

TEST(namespaces)
{
	CHECK_STR(spec_ns_name(SPEC_NS_NETWORK), "network");
	CHECK_STR(spec_ns_proc_name(SPEC_NS_NETWORK), "net");
	CHECK_STR(spec_ns_proc_name(SPEC_NS_MOUNT), "mnt");
	CHECK_INT(spec_ns_clone_flag(SPEC_NS_TIME), CLONE_NEWTIME);
	for (enum spec_ns i = 0; i < SPEC_NS_COUNT; i++)
		CHECK(spec_ns_name(i) && spec_ns_proc_name(i) && spec_ns_clone_flag(i));
}

TEST(words)
{
	CHECK_STR(spec_hook_point_name(SPEC_HOOK_CREATE_RUNTIME), "createRuntime");
	for (enum spec_seccomp_action i = 0; i < SPEC_SECCOMP_ACTION_COUNT; i++)
		CHECK(spec_seccomp_action_name(i));
	for (enum spec_seccomp_op i = 0; i < SPEC_SECCOMP_OP_COUNT; i++)
		CHECK(spec_seccomp_op_name(i));
	CHECK_STR(spec_seccomp_action_name(SPEC_SECCOMP_KILL_THREAD), "SCMP_ACT_KILL_THREAD");
	CHECK_STR(spec_seccomp_arch_name(0), "SCMP_ARCH_X86");
	CHECK(spec_seccomp_arch_name(23) == NULL);
}

TEST(lists)
{
	static const struct {
		const char *text;
		int rc;
		uint64_t bits;
	} rows[] = {
		{"0", 0, 1},
		{"0-3,7", 0, 0x8f},
		{"63", 0, UINT64_C(1) << 63},
		{"3-3", 0, 8},
		{"1,1,1", 0, 2},
		{" 0 , 2 ", 0, 5},
		{"0-63", 0, UINT64_MAX},
		{"64", -ERANGE, 0},
		{"0-64", -ERANGE, 0},
		{"2147483648", -ERANGE, 0},
		{"99999999999999999999999", -ERANGE, 0},
		{"", -EINVAL, 0},
		{",", -EINVAL, 0},
		{"1,", -EINVAL, 0},
		{",1", -EINVAL, 0},
		{"1-", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"3-1", -EINVAL, 0},
		{"1 2", -EINVAL, 0},
		{"0x1", -EINVAL, 0},
		{"all", -EINVAL, 0},
		{"1-2-3", -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t bits = 0;

		ROW(rows[i].text);
		CHECK_INT(spec_parse_list(rows[i].text, &bits, sizeof(bits)), rows[i].rc);
		if (rows[i].rc == 0)
			CHECK_INT(bits, rows[i].bits);
		if (rows[i].rc != -ERANGE)
			CHECK_INT(spec_parse_list(rows[i].text, NULL, 0), rows[i].rc);
	}
	/* Without bits the range is only that of the numbers. */
	CHECK_INT(spec_parse_list("2147483647", NULL, 0), 0);
}

TEST(sysctls)
{
	static const struct {
		const char *key;
		int ns;
		const char *path;
	} rows[] = {
		{"net.ipv4.ip_forward", SPEC_NS_NETWORK, "net/ipv4/ip_forward"},
		{"net/ipv4/ip_forward", SPEC_NS_NETWORK, "net/ipv4/ip_forward"},
		{"net/ipv4/conf/eno2.100/rp_filter", SPEC_NS_NETWORK, "net/ipv4/conf/eno2.100/rp_filter"},
		{"net.ipv4.conf.eno2/100.rp_filter", SPEC_NS_NETWORK, "net/ipv4/conf/eno2.100/rp_filter"},
		{"kernel.shmmax", SPEC_NS_IPC, "kernel/shmmax"},
		{"kernel.sem", SPEC_NS_IPC, "kernel/sem"},
		{"fs.mqueue.msg_max", SPEC_NS_IPC, "fs/mqueue/msg_max"},
		{"kernel.hostname", SPEC_NS_UTS, "kernel/hostname"},
		{"kernel/domainname", SPEC_NS_UTS, "kernel/domainname"},
		{"user.max_user_namespaces", SPEC_NS_USER, "user/max_user_namespaces"},
		{"kernel.core_pattern", -1, NULL},
		{"kernel.semaphore", -1, NULL},
		{"kernel.shmmax.x", -1, NULL},
		{"vm.swappiness", -1, NULL},
		{"fs.file-max", -1, NULL},
		{"network.x", -1, NULL},
		{"net", -1, NULL},
		{"net.", -1, NULL},
		{"net..x", -1, NULL},
		{"net/../kernel/core_pattern", -1, NULL},
		{"net.//.kernel", -1, NULL},
		{"net./.x", -1, NULL},
		{"/net/x", -1, NULL},
		{"../net/x", -1, NULL},
		{"net/.", -1, NULL},
		{"", -1, NULL},
	};
	struct arena a = {0};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ROW(rows[i].key);
		CHECK_INT(spec_sysctl_namespace(rows[i].key), rows[i].ns);
		if (rows[i].path)
			CHECK_STR(spec_sysctl_path(&a, rows[i].key), rows[i].path);
	}
	arena_done(&a);
}

TEST(container_ids)
{
	static const char *const good[] = {"a", "A-b_c+d.e", "0", "...", "-", ".a"};
	static const char *const bad[] = {"", ".", "..", "a/b", "a b", "a\n", "\xc3\xa4", "a:b", "../x"};
	char long_id[300];
	struct error err = {0};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		ROW(good[i]);
		CHECK_INT(spec_check_id(good[i], &err), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ROW(bad[i]);
		CHECK(spec_check_id(bad[i], &err) < 0);
		CHECK_INT(err.kind, ERROR_INVALID);
	}
	memset(long_id, 'a', sizeof(long_id));
	long_id[255] = '\0';
	CHECK_INT(spec_check_id(long_id, &err), 0);
	long_id[255] = 'a';
	long_id[256] = '\0';
	CHECK(spec_check_id(long_id, &err) < 0);
	CHECK_STR(err.msg, "the container id has 256 bytes, at most 255 are possible");
}
