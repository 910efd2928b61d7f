/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The meaning of each mount option (runtime-spec config.md "Linux mount options") and of their sequences.
 */
#include "spec/spec.h"

#include <linux/mount.h>
#include <string.h>
#include <sys/mount.h>

#include "base/cleanup.h"
#include "test.h"

#define ATIME MOUNT_ATTR__ATIME

/* What one option alone does; all fields not named stay zero. */
static const struct {
	const char *option;
	struct spec_mount m;
} rows[] = {
	{"async", {0}},
	{"atime", {.attr_clear = ATIME}},
	{"bind", {.bind = true}},
	{"copy-symlink", {.copy_symlink = true}},
	{"defaults", {0}},
	{"dest-nofollow", {.dest_nofollow = true}},
	{"dev", {.attr_clear = MOUNT_ATTR_NODEV}},
	{"diratime", {.attr_clear = MOUNT_ATTR_NODIRATIME}},
	{"dirsync", {.sb_flags = MS_DIRSYNC}},
	{"exec", {.attr_clear = MOUNT_ATTR_NOEXEC}},
	{"idmap", {.idmap = SPEC_MOUNT_IDMAP}},
	{"iversion", {.sb_flags = MS_I_VERSION}},
	{"lazytime", {.sb_flags = MS_LAZYTIME}},
	{"loud", {0}},
	{"mand", {.sb_flags = MS_MANDLOCK}},
	{"noatime", {.attr_set = MOUNT_ATTR_NOATIME, .attr_clear = ATIME}},
	{"nodev", {.attr_set = MOUNT_ATTR_NODEV}},
	{"nodiratime", {.attr_set = MOUNT_ATTR_NODIRATIME}},
	{"noexec", {.attr_set = MOUNT_ATTR_NOEXEC}},
	{"noiversion", {0}},
	{"nolazytime", {0}},
	{"nomand", {0}},
	{"norelatime", {0}},
	{"nostrictatime", {.attr_clear = ATIME}},
	{"nosuid", {.attr_set = MOUNT_ATTR_NOSUID}},
	{"nosymfollow", {.attr_set = MOUNT_ATTR_NOSYMFOLLOW}},
	{"private", {.propagation = MS_PRIVATE}},
	{"ratime", {.rec_clear = ATIME}},
	{"rbind", {.bind = true, .recursive_bind = true}},
	{"rdev", {.rec_clear = MOUNT_ATTR_NODEV}},
	{"rdiratime", {.rec_clear = MOUNT_ATTR_NODIRATIME}},
	{"relatime", {.attr_clear = ATIME}},
	{"remount", {.remount = true}},
	{"rexec", {.rec_clear = MOUNT_ATTR_NOEXEC}},
	{"ridmap", {.idmap = SPEC_MOUNT_IDMAP_RECURSIVE}},
	{"rnoatime", {.rec_set = MOUNT_ATTR_NOATIME, .rec_clear = ATIME}},
	{"rnodev", {.rec_set = MOUNT_ATTR_NODEV}},
	{"rnodiratime", {.rec_set = MOUNT_ATTR_NODIRATIME}},
	{"rnoexec", {.rec_set = MOUNT_ATTR_NOEXEC}},
	{"rnorelatime", {.rec_clear = ATIME}},
	{"rnostrictatime", {.rec_clear = ATIME}},
	{"rnosuid", {.rec_set = MOUNT_ATTR_NOSUID}},
	{"rnosymfollow", {.rec_set = MOUNT_ATTR_NOSYMFOLLOW}},
	{"ro", {.attr_set = MOUNT_ATTR_RDONLY, .sb_flags = MS_RDONLY}},
	{"rprivate", {.propagation = MS_PRIVATE, .propagation_recursive = true}},
	{"rrelatime", {.rec_clear = ATIME}},
	{"rro", {.rec_set = MOUNT_ATTR_RDONLY}},
	{"rrw", {.rec_clear = MOUNT_ATTR_RDONLY}},
	{"rshared", {.propagation = MS_SHARED, .propagation_recursive = true}},
	{"rslave", {.propagation = MS_SLAVE, .propagation_recursive = true}},
	{"rstrictatime", {.rec_set = MOUNT_ATTR_STRICTATIME, .rec_clear = ATIME}},
	{"rsuid", {.rec_clear = MOUNT_ATTR_NOSUID}},
	{"rsymfollow", {.rec_clear = MOUNT_ATTR_NOSYMFOLLOW}},
	{"runbindable", {.propagation = MS_UNBINDABLE, .propagation_recursive = true}},
	{"rw", {.attr_clear = MOUNT_ATTR_RDONLY}},
	{"shared", {.propagation = MS_SHARED}},
	{"silent", {.sb_flags = MS_SILENT}},
	{"slave", {.propagation = MS_SLAVE}},
	{"src-nofollow", {.src_nofollow = true}},
	{"strictatime", {.attr_set = MOUNT_ATTR_STRICTATIME, .attr_clear = ATIME}},
	{"suid", {.attr_clear = MOUNT_ATTR_NOSUID}},
	{"symfollow", {.attr_clear = MOUNT_ATTR_NOSYMFOLLOW}},
	{"sync", {.sb_flags = MS_SYNCHRONOUS}},
	{"tmpcopyup", {.tmpcopyup = true}},
	{"unbindable", {.propagation = MS_UNBINDABLE}},
};

static void parse(struct arena *a, struct spec_mount *m, const char *const *options)
{
	struct error err = {0};

	m->type = m->type ? m->type : "tmpfs";
	m->options = (struct spec_strs){0};
	for (; *options; options++)
		spec_strs_push(a, &m->options, *options);
	CHECK_INT(spec_mount_parse_options(a, m, "mounts[0]", &err), 0);
}

static void compare(const struct spec_mount *m, const struct spec_mount *want)
{
	CHECK_INT(m->attr_set, want->attr_set);
	CHECK_INT(m->attr_clear, want->attr_clear);
	CHECK_INT(m->rec_set, want->rec_set);
	CHECK_INT(m->rec_clear, want->rec_clear);
	CHECK_INT(m->sb_flags, want->sb_flags);
	CHECK_INT(m->propagation, want->propagation);
	CHECK_INT(m->propagation_recursive, want->propagation_recursive);
	CHECK_INT(m->bind, want->bind);
	CHECK_INT(m->recursive_bind, want->recursive_bind);
	CHECK_INT(m->remount, want->remount);
	CHECK_INT(m->tmpcopyup, want->tmpcopyup);
	CHECK_INT(m->copy_symlink, want->copy_symlink);
	CHECK_INT(m->src_nofollow, want->src_nofollow);
	CHECK_INT(m->dest_nofollow, want->dest_nofollow);
	CHECK_INT(m->idmap, want->idmap);
}

TEST(each_option)
{
	struct arena a = {0};
	size_t told = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct spec_mount m = {0};

		ROW(rows[i].option);
		parse(&a, &m, (const char *const[]){rows[i].option, NULL});
		compare(&m, &rows[i].m);
		CHECK_STR(m.data, "");
	}
	/* `features` tells exactly these. */
	while (spec_mount_option_name(told)) {
		ROW(spec_mount_option_name(told));
		REQUIRE(told < ARRAY_SIZE(rows));
		CHECK_STR(spec_mount_option_name(told), rows[told].option);
		told++;
	}
	CHECK_INT(told, ARRAY_SIZE(rows));
	arena_done(&a);
}

/* The runtime-spec's table, so that a row that is missing above is seen. */
TEST(no_option_of_the_specification_goes_to_the_file_system)
{
	static const char *const words[] = {
		"async",          "atime",      "bind",         "defaults",    "dev",
		"diratime",       "dirsync",    "exec",         "iversion",    "lazytime",
		"loud",           "mand",       "noatime",      "nodev",       "nodiratime",
		"noexec",         "noiversion", "nolazytime",   "nomand",      "norelatime",
		"nostrictatime",  "nosuid",     "nosymfollow",  "private",     "ratime",
		"rbind",          "rdev",       "rdiratime",    "relatime",    "remount",
		"rexec",          "rnoatime",   "rnodiratime",  "rnoexec",     "rnorelatime",
		"rnostrictatime", "rnosuid",    "rnosymfollow", "ro",          "rprivate",
		"rrelatime",      "rro",        "rrw",          "rshared",     "rslave",
		"rstrictatime",   "rsuid",      "rsymfollow",   "runbindable", "rw",
		"shared",         "silent",     "slave",        "strictatime", "suid",
		"symfollow",      "sync",       "tmpcopyup",    "unbindable",  "idmap",
		"ridmap",
	};
	struct arena a = {0};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		struct spec_mount m = {0};

		ROW(words[i]);
		parse(&a, &m, (const char *const[]){words[i], NULL});
		CHECK_STR(m.data, "");
	}
	arena_done(&a);
}

TEST(the_last_word_wins)
{
	static const struct {
		const char *options[4];
		struct spec_mount m;
	} cases[] = {
		{{"ro", "rw"}, {.attr_clear = MOUNT_ATTR_RDONLY}},
		{{"rw", "ro"}, {.attr_set = MOUNT_ATTR_RDONLY, .sb_flags = MS_RDONLY}},
		{{"nosuid", "suid", "nosuid"}, {.attr_set = MOUNT_ATTR_NOSUID}},
		{{"sync", "async"}, {0}},
		{{"noatime", "strictatime"}, {.attr_set = MOUNT_ATTR_STRICTATIME, .attr_clear = ATIME}},
		{{"strictatime", "relatime"}, {.attr_clear = ATIME}},
		{{"noatime", "atime"}, {.attr_clear = ATIME}},
		{{"strictatime", "atime"}, {.attr_set = MOUNT_ATTR_STRICTATIME, .attr_clear = ATIME}},
		{{"noatime", "nostrictatime"}, {.attr_set = MOUNT_ATTR_NOATIME, .attr_clear = ATIME}},
		{{"rro", "rrw"}, {.rec_clear = MOUNT_ATTR_RDONLY}},
		{{"rslave", "private"}, {.propagation = MS_PRIVATE}},
		{{"idmap", "ridmap"}, {.idmap = SPEC_MOUNT_IDMAP_RECURSIVE}},
	};
	struct arena a = {0};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct spec_mount m = {0};

		ROW(cases[i].options[0]);
		parse(&a, &m, cases[i].options);
		compare(&m, &cases[i].m);
	}
	arena_done(&a);
}

TEST(bind_mounts_leave_the_superblock_alone)
{
	struct arena a = {0};
	struct spec_mount m = {0};
	struct spec_mount by_type = {.type = "bind"};

	parse(&a, &m, (const char *const[]){"ro", "rbind", NULL});
	CHECK(m.bind && m.recursive_bind);
	CHECK_INT(m.sb_flags, 0);
	CHECK_INT(m.attr_set, MOUNT_ATTR_RDONLY);
	parse(&a, &by_type, (const char *const[]){"ro", NULL});
	CHECK(by_type.bind && !by_type.recursive_bind);
	CHECK_INT(by_type.sb_flags, 0);
	arena_done(&a);
}

TEST(the_rest_is_for_the_file_system)
{
	struct arena a = {0};
	struct spec_mount m = {0};

	parse(&a, &m,
	      (const char *const[]){"nosuid", "mode=755", "x-systemd.automount", "size=64k", "", "_netdev",
				    "comment=hello", "X-mount.mkdir", "RO", "nosuidx", NULL});
	CHECK_STR(m.data, "mode=755,size=64k,RO,nosuidx");
	CHECK_INT(m.attr_set, MOUNT_ATTR_NOSUID);
	arena_done(&a);
}

TEST(control_characters_are_refused)
{
	struct arena a = {0};
	struct spec_mount m = {.type = "tmpfs"};
	struct error err = {0};

	spec_strs_push(&a, &m.options, "ro");
	spec_strs_push(&a, &m.options, "size=1\nx");
	CHECK(spec_mount_parse_options(&a, &m, "mounts[7]", &err) < 0);
	CHECK_STR(err.msg, "mounts[7].options[1]: expected a string without control characters");
	arena_done(&a);
}

TEST(mappings_alone_mean_idmap)
{
	static const char text[] =
		"{\"ociVersion\":\"1.0.0\",\"mounts\":[{\"destination\":\"/a\",\"options\":[\"bind\"],"
		"\"uidMappings\":[{\"containerID\":0,\"hostID\":5,\"size\":1}],"
		"\"gidMappings\":[{\"containerID\":0,\"hostID\":6,\"size\":2}]}]}";
	autospec struct spec s = {0};
	struct error err = {0};

	REQUIRE(spec_parse(text, sizeof(text) - 1, "config.json", &s, &err) == 0);
	CHECK_INT(s.mounts[0].idmap, SPEC_MOUNT_IDMAP);
	CHECK_INT(s.mounts[0].gid_mappings.items[0].host_id, 6);
	CHECK_STR(s.mounts[0].type, "");
	CHECK_STR(s.mounts[0].source, "");
}
