/* SPDX-License-Identifier: Apache-2.0 */
/* What in kernel/ needs no kernel: signal names, id maps, lists, interface names. */
#include "kernel/kernel.h"

#include <stdlib.h>

#include "test.h"

TEST(signal_names)
{
	static const struct {
		const char *name;
		int sig;
	} good[] = {{"SIGTERM", 15}, {"TERM", 15},       {"term", 15},        {"sigKill", 9},
		    {"15", 15},      {"1", 1},           {"64", 64},          {"RTMIN", 34},
		    {"RTMIN+1", 35}, {"SIGRTMAX-2", 62}, {"rtmax", 64},       {"SIGIOT", 6},
		    {"CLD", 17},     {"SIGPOLL", 29},    {"SIGRTMIN+30", 64}, {"WINCH", 28}};
	static const char *const bad[] = {"",      "0",          "65",      "-9",         "SIG",     "TERMX",
					  " TERM", "9 ",         "RTMIN-1", "RTMIN+31",   "RTMAX+1", "RTMIN+",
					  "+15",   "SIGSIGTERM", "1e1",     "99999999999"};
	char buf[SIGNAL_NAME_MAX];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!CHECK_INT(signal_from_name(good[i].name), good[i].sig))
			printf("\t%s\n", good[i].name);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (!CHECK_INT(signal_from_name(bad[i]), -1))
			printf("\t'%s'\n", bad[i]);
	for (int sig = 1; sig <= 64; sig++)
		if (sig != 32 && sig != 33)
			CHECK_INT(signal_from_name(signal_name(sig, buf)), sig);
	CHECK_STR(signal_name(15, buf), "SIGTERM");
	CHECK_STR(signal_name(37, buf), "SIGRTMIN+3");
	CHECK(signal_name(0, buf) == NULL);
	CHECK(signal_name(65, buf) == NULL);
}

TEST(id_maps)
{
	const struct ids_range good[] = {{0, 1000, 1}, {1, 100000, 65536}};
	const struct ids_range empty[] = {{0, 1000, 0}};
	const struct ids_range wraps[] = {{0, 4294967290u, 10}};
	const struct ids_range inside[] = {{0, 1000, 10}, {9, 2000, 1}};
	const struct ids_range outside[] = {{0, 1000, 10}, {10, 1009, 5}};
	struct error err;
	uint32_t v = 7;

	CHECK_INT(ids_check("m", good, 2, &err), 0);
	CHECK_INT(ids_check("m", empty, 1, &err), -EINVAL);
	CHECK_STR(err.msg, "m[0]: an empty range");
	CHECK_INT(ids_check("m", wraps, 1, &err), -ERANGE);
	CHECK_INT(ids_check("m", inside, 2, &err), -EINVAL);
	CHECK_STR(err.msg, "m[1]: overlaps m[0]");
	CHECK_INT(ids_check("m", outside, 2, &err), -EINVAL);
	CHECK_INT(ids_check("m", good, 341, &err), -E2BIG);
	CHECK_INT(ids_map_out(good, 2, 65536, &v), 0);
	CHECK_INT(v, 165535);
	CHECK_INT(ids_map_out(good, 2, 65537, &v), -ENOENT);
	CHECK_INT(v, 165535);
	CHECK_INT(ids_map_in(good, 2, 1000, &v), 0);
	CHECK_INT(v, 0);
	CHECK_INT(ids_map_in(good, 2, 999, &v), -ENOENT);
}

TEST(subordinate_ids)
{
	static const char text[] = "# comment\n"
				   "root:1:2:3\n"
				   "alice:100000:65536\n"
				   "bob:200000:65536\n"
				   "1000:300000:10\n"
				   "alice:-1:5\n"
				   "alice:4294967295:5\n"
				   "alice:1:0\n"
				   "alice: 5:5\n"
				   "alice:400000:100";
	struct ids_range r[4] = {{0, 0, 0}};

	CHECK_INT(ids_parse_subids(text, strlen(text), "alice", 1000, 1, r, 4), 3);
	CHECK_INT(r[0].inside, 1);
	CHECK_INT(r[0].outside, 100000);
	CHECK_INT(r[0].count, 65536);
	CHECK_INT(r[1].inside, 65537);
	CHECK_INT(r[1].outside, 300000);
	CHECK_INT(r[2].inside, 65547);
	CHECK_INT(r[2].outside, 400000);
	CHECK_INT(ids_parse_subids(text, strlen(text), NULL, 1000, 0, r, 4), 1);
	CHECK_INT(ids_parse_subids(text, strlen(text), "alice", 1000, 0, r, 1), 1);
	/* A user whose name is a number is not the user with that number (CVE-2024-40635's kin). */
	CHECK_INT(ids_parse_subids("1000:5:5\n", 9, "1000", 7, 0, r, 4), 0);
	CHECK_INT(ids_parse_subids("", 0, "alice", 1000, 0, r, 4), 0);
	/* Ranges whose sum would pass the last id are left out. */
	CHECK_INT(ids_parse_subids("a:0:4294967294\na:5:10\n", 22, "a", 7, 0, r, 4), 1);
}

TEST(lists)
{
	unsigned long bits[2];

	CHECK_INT(process_parse_list("0-3,7", bits, sizeof(bits)), 8);
	CHECK_INT(bits[0], 0x8f);
	CHECK_INT(process_parse_list("64,127", bits, sizeof(bits)), 128);
	CHECK(bits[1] == (1UL | 1UL << 63));
	CHECK_INT(process_parse_list("128", bits, sizeof(bits)), -ERANGE);
	CHECK_INT(process_parse_list("99999999999999999999", bits, sizeof(bits)), -ERANGE);
	CHECK_INT(process_parse_list("", bits, sizeof(bits)), -EINVAL);
	CHECK_INT(process_parse_list("3-1", bits, sizeof(bits)), -EINVAL);
	CHECK_INT(process_parse_list("1,", bits, sizeof(bits)), -EINVAL);
	CHECK_INT(process_parse_list("1-", bits, sizeof(bits)), -EINVAL);
	CHECK_INT(process_parse_list("-1", bits, sizeof(bits)), -EINVAL);
	CHECK_INT(process_parse_list("1 ", bits, sizeof(bits)), -EINVAL);
	CHECK_INT(process_parse_list("0x1", bits, sizeof(bits)), -EINVAL);
}

TEST(interface_names)
{
	CHECK(netlink_name_valid("eth0"));
	CHECK(netlink_name_valid("a23456789012345"));
	CHECK(!netlink_name_valid("a234567890123456"));
	CHECK(!netlink_name_valid(""));
	CHECK(!netlink_name_valid("."));
	CHECK(!netlink_name_valid(".."));
	CHECK(!netlink_name_valid("a/b"));
	CHECK(!netlink_name_valid("eth%d"));
	CHECK(!netlink_name_valid("a b"));
	CHECK(!netlink_name_valid("a:1"));
	CHECK(!netlink_name_valid("a\n"));
}

TEST(cve_2018_10856_no_caps_for_users)
{
	struct caps_sets s = {.bounding = 7, .effective = 7, .permitted = 7, .inheritable = 0, .ambient = 2};

	caps_drop_for_nonroot(&s);
	CHECK_INT(s.effective, 2);
	CHECK_INT(s.permitted, 2);
	CHECK_INT(s.bounding, 7);
	CHECK_STR(caps_name(21), "sys_admin");
	CHECK_STR(caps_name(40), "checkpoint_restore");
	CHECK_STR(caps_name(41), "unknown");
	CHECK_STR(caps_name(-1), "unknown");
}
