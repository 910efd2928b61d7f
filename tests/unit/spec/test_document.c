/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents that are accepted: every value ends where it belongs, what is written is read again as the same, and the
 * defaults are what `runc spec` writes.
 */
#include "spec/spec.h"

#include <linux/capability.h>
#include <linux/ioprio.h>
#include <linux/mempolicy.h>
#include <linux/seccomp.h>
#include <linux/sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/resource.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"
#include "test.h"

static bool parse(const char *text, struct spec *s)
{
	autofree char *json = mem_strdup(text);
	struct error err = {0};

	for (char *p = json; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	if (spec_parse(json, strlen(json), "config.json", s, &err) == 0)
		return true;
	printf("\t%s\n", err.msg);
	return CHECK(!"parse");
}

static char *written(const struct spec *s)
{
	autojson struct json *j = spec_to_json(s);
	struct buf b = BUF_INIT(1 << 20);

	CHECK(json_write(j, false, &b));
	return buf_take(&b);
}

/* clang-format off */
static const char every_field[] =
	"{'ociVersion':'1.3.0-rc.1+b','process':{'terminal':true,'consoleSize':{'height':25,'width':80},"
	"'user':{'uid':1,'gid':2,'umask':63,'additionalGids':[3,4]},'args':['a','b'],'env':['A=1','B='],'cwd':'/',"
	"'capabilities':{'bounding':['CAP_CHOWN','CAP_KILL'],'effective':['CAP_CHOWN'],'inheritable':['CAP_BPF'],"
	"'permitted':['CAP_CHOWN','CAP_SYS_ADMIN'],'ambient':['CAP_CHECKPOINT_RESTORE']},"
	"'rlimits':[{'type':'RLIMIT_CORE','hard':18446744073709551615,'soft':7},{'type':'RLIMIT_NOFILE','hard':9,'soft':8}],"
	"'noNewPrivileges':true,'apparmorProfile':'p','oomScoreAdj':-999,"
	"'scheduler':{'policy':'SCHED_DEADLINE','nice':-5,'flags':['SCHED_FLAG_RESET_ON_FORK','SCHED_FLAG_RECLAIM'],'runtime':1,'deadline':2,'period':3},"
	"'selinuxLabel':'l','ioPriority':{'class':'IOPRIO_CLASS_BE','priority':4},'execCPUAffinity':{'initial':'0-3,7','final':'1'}},"
	"'root':{'path':'r','readonly':true},'hostname':'h','domainname':'d',"
	"'mounts':[{'destination':'rel','type':'tmpfs','source':'t','options':['size=1k','mode=1','rro','strictatime','rslave']},"
	"{'destination':'/m','source':'/s','options':['rbind','ridmap'],'uidMappings':[{'containerID':0,'hostID':1,'size':2}],"
	"'gidMappings':[{'containerID':3,'hostID':4,'size':5}]}],"
	"'hooks':{'prestart':[{'path':'/h','args':['h','1'],'env':['K=V'],'timeout':3}],'createRuntime':[{'path':'/cr'}],"
	"'createContainer':[{'path':'/cc'}],'startContainer':[{'path':'/sc'}],'poststart':[{'path':'/ps'}],'poststop':[{'path':'/pt'},{'path':'/pu'}]},"
	"'annotations':{'k':'v','e':''},"
	"'linux':{'uidMappings':[{'containerID':0,'hostID':100000,'size':65536}],'gidMappings':[{'containerID':0,'hostID':1,'size':10}],"
	"'sysctl':{'net.core.somaxconn':'1'},"
	"'resources':{'devices':[{'allow':true,'type':'b','major':8,'minor':1,'access':'rm'},{'allow':false}],"
	"'memory':{'limit':1,'reservation':2,'swap':-1,'kernel':4,'kernelTCP':5,'swappiness':6,'disableOOMKiller':true,'useHierarchy':false,'checkBeforeUpdate':true},"
	"'cpu':{'shares':1,'quota':-1,'burst':2,'period':3,'realtimeRuntime':4,'realtimePeriod':5,'cpus':'0','mems':'1-2','idle':1},'pids':{'limit':0},"
	"'blockIO':{'weight':10,'leafWeight':20,'weightDevice':[{'major':8,'minor':0,'weight':30,'leafWeight':40}],"
	"'throttleReadBpsDevice':[{'major':8,'minor':1,'rate':1}],'throttleWriteBpsDevice':[{'major':8,'minor':2,'rate':2}],"
	"'throttleReadIOPSDevice':[{'major':8,'minor':3,'rate':3}],'throttleWriteIOPSDevice':[{'major':8,'minor':4,'rate':18446744073709551615}]},"
	"'hugepageLimits':[{'pageSize':'2MB','limit':9223372036854775808}],'network':{'classID':6,'priorities':[{'name':'eth0','priority':7}]},"
	"'rdma':{'mlx5_1':{'hcaHandles':8,'hcaObjects':9}},'unified':{'memory.high':'max'}},"
	"'cgroupsPath':'/c','namespaces':[{'type':'pid'},{'type':'network','path':'/run/ns'},{'type':'ipc'},{'type':'uts'},{'type':'mount'},"
	"{'type':'user'},{'type':'cgroup'},{'type':'time'}],"
	"'devices':[{'path':'/dev/x','type':'c','major':1,'minor':2,'fileMode':438,'uid':3,'gid':4},{'path':'/dev/p','type':'p'},{'path':'/dev/b','type':'b','major':0,'minor':0}],"
	"'netDevices':{'eth0':{'name':'c%d'},'eth1':{}},"
	"'seccomp':{'defaultAction':'SCMP_ACT_TRACE','defaultErrnoRet':65535,'architectures':['SCMP_ARCH_X86'],'flags':['SECCOMP_FILTER_FLAG_LOG'],"
	"'listenerPath':'/l','listenerMetadata':'m','syscalls':[{'names':['a','b'],'action':'SCMP_ACT_NOTIFY',"
	"'args':[{'index':5,'value':18446744073709551615,'valueTwo':1,'op':'SCMP_CMP_MASKED_EQ'}]},{'names':['c'],'action':'SCMP_ACT_ERRNO','errnoRet':4095}]},"
	"'rootfsPropagation':'rshared','maskedPaths':['/a'],'readonlyPaths':['/b','/c'],'mountLabel':'ml',"
	"'intelRdt':{'closID':'g','schemata':['L3:0=f'],'l3CacheSchema':'a','memBwSchema':'c','enableMonitoring':true},"
	"'memoryPolicy':{'mode':'MPOL_INTERLEAVE','nodes':'0-1','flags':['MPOL_F_STATIC_NODES']},'personality':{'domain':'LINUX32'},"
	"'timeOffsets':{'monotonic':{'secs':-1,'nanosecs':2},'boottime':{'secs':3}}}}";
/* clang-format on */

/* The text has the fields in the specification's order and nothing that is left out, so it comes back byte by byte. */
TEST(every_field_comes_back)
{
	autofree char *want = mem_strdup(every_field);
	autofree char *got = NULL;
	autospec struct spec s = {0};

	for (char *p = want; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	REQUIRE(parse(every_field, &s));
	got = written(&s);
	CHECK_STR(got, want);
}

TEST(values_of_the_process)
{
	autospec struct spec s = {0};
	const struct spec_process *p = &s.process;

	REQUIRE(parse(every_field, &s));
	CHECK(p->set && p->terminal && p->no_new_privileges);
	CHECK_INT(p->console_rows, 25);
	CHECK_INT(p->console_cols, 80);
	CHECK_INT(p->user.uid, 1);
	CHECK_INT(p->user.gid, 2);
	CHECK(p->user.umask.set && p->user.umask.v == 077);
	CHECK_INT(p->user.additional_gid_count, 2);
	CHECK_INT(p->user.additional_gids[1], 4);
	CHECK_INT(p->args.count, 2);
	CHECK(p->args.items[2] == NULL);
	CHECK_STR(p->env.items[1], "B=");
	CHECK(p->caps.set);
	CHECK_INT(p->caps.bounding, 1u << CAP_CHOWN | 1u << CAP_KILL);
	CHECK_INT(p->caps.permitted, 1u << CAP_CHOWN | 1u << CAP_SYS_ADMIN);
	CHECK_INT(p->caps.ambient, UINT64_C(1) << CAP_CHECKPOINT_RESTORE);
	CHECK_INT(p->rlimit_count, 2);
	CHECK_INT(p->rlimits[0].hard, UINT64_MAX);
	CHECK_INT(p->rlimits[1].resource, RLIMIT_NOFILE);
	CHECK_INT(p->oom_score_adj.v, -999);
	CHECK_INT(p->scheduler.policy, SCHED_DEADLINE);
	CHECK_INT(p->scheduler.nice, -5);
	CHECK_INT(p->scheduler.flags, SCHED_FLAG_RESET_ON_FORK | SCHED_FLAG_RECLAIM);
	CHECK_INT(p->scheduler.period_ns, 3);
	CHECK_INT(p->io_priority.class, IOPRIO_CLASS_BE);
	CHECK_STR(p->cpu_affinity_initial, "0-3,7");
	CHECK_STR(p->cpu_affinity_final, "1");
}

TEST(values_of_linux)
{
	autospec struct spec s = {0};
	const struct spec_linux *l = &s.linux_;
	const struct spec_resources *r = &l->resources;

	REQUIRE(parse(every_field, &s));
	CHECK_STR(s.mounts[0].data, "size=1k,mode=1");
	CHECK_INT(s.mounts[1].idmap, SPEC_MOUNT_IDMAP_RECURSIVE);
	CHECK_INT(s.hooks.count[SPEC_HOOK_POSTSTOP], 2);
	CHECK_INT(s.hooks.items[SPEC_HOOK_PRESTART][0].timeout_s.v, 3);
	CHECK(s.hooks.items[SPEC_HOOK_CREATE_RUNTIME][0].args.items != NULL);
	CHECK_STR(spec_map_get(&s.annotations, "e"), "");
	CHECK_STR(l->ns[SPEC_NS_NETWORK].path, "/run/ns");
	CHECK(l->ns[SPEC_NS_TIME].present && !l->ns[SPEC_NS_TIME].path);
	CHECK_INT(r->devices[0].access, SPEC_ACCESS_READ | SPEC_ACCESS_MKNOD);
	CHECK_INT(r->devices[1].type, 'a');
	CHECK_INT(r->devices[1].major, -1);
	CHECK_INT(r->memory.swap.v, -1);
	CHECK(r->memory.use_hierarchy.set && !r->memory.use_hierarchy.v);
	CHECK(r->pids_limit.set && r->pids_limit.v == 0);
	CHECK_INT(r->blkio.throttle[SPEC_BLKIO_WRITE_IOPS][0].rate, UINT64_MAX);
	CHECK_INT(r->blkio.throttle[SPEC_BLKIO_READ_IOPS][0].minor, 3);
	CHECK_INT(r->hugepages[0].limit_bytes, UINT64_C(1) << 63);
	CHECK_STR(r->rdma[0].device, "mlx5_1");
	CHECK_INT(r->rdma[0].objects.v, 9);
	CHECK_INT(l->devices[0].major, 1);
	CHECK_INT(l->devices[0].mode.v, 0666);
	CHECK_INT(l->devices[2].minor, 0);
	CHECK_STR(l->net_devices[1].host_name, "eth1");
	CHECK(l->net_devices[1].name == NULL);
	CHECK_INT(l->seccomp.flags, SECCOMP_FILTER_FLAG_LOG);
	CHECK_INT(l->seccomp.rules[0].args[0].value, UINT64_MAX);
	CHECK_INT(l->seccomp.rules[0].args[0].op, SPEC_SECCOMP_MASKED_EQ);
	CHECK_INT(l->seccomp.rules[1].errno_ret.v, 4095);
	CHECK_INT(l->rootfs_propagation, MS_SHARED | MS_REC);
	CHECK_INT(l->memory_policy.mode, MPOL_INTERLEAVE);
	CHECK_INT(l->memory_policy.mode_flags, MPOL_F_STATIC_NODES);
	CHECK(l->personality_set && l->personality == PER_LINUX32);
	CHECK_INT(l->time_monotonic.secs, -1);
	CHECK_INT(l->time_boottime.secs, 3);
}

TEST(absent_is_not_zero)
{
	autospec struct spec s = {0};

	REQUIRE(parse("{'ociVersion':'1.0.0'}", &s));
	CHECK(!s.process.set && !s.root_path && !s.hostname && !s.has_vm && !s.has_foreign);
	CHECK(!s.linux_.seccomp.set && !s.linux_.personality_set && !s.linux_.resources.pids_limit.set);
	CHECK(s.process.args.items && s.process.env.items && s.linux_.masked_paths.items &&
	      s.linux_.readonly_paths.items);
	CHECK(s.linux_.seccomp.architectures.items && s.linux_.intel_rdt.schemata.items);
	for (int i = 0; i < SPEC_NS_COUNT; i++)
		CHECK(!s.linux_.ns[i].present);
}

/* Go's decoder takes null for "not there", skips what it does not know, and the last of equal keys wins. */
TEST(as_go_reads)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"{'ociVersion':'1.0.0','process':null,'mounts':null,'linux':null}", "{'ociVersion':'1.0.0'}"},
		{"{'ociVersion':'1.0.0','root':{'path':'r','readonly':null}}",
		 "{'ociVersion':'1.0.0','root':{'path':'r'}}"},
		{"{'ociVersion':'1.0.0','x':{'y':[1,2.5,{}]},'hostname':'h'}", "{'ociVersion':'1.0.0','hostname':'h'}"},
		{"{'hostname':'a','ociVersion':'1.0.0','hostname':'b'}", "{'ociVersion':'1.0.0','hostname':'b'}"},
		{"{'ociVersion':'1.0.0','hostname':'','domainname':''}", "{'ociVersion':'1.0.0'}"},
		{"{'ociVersion':'1.0.0','annotations':{'a':null,'b':'c'}}",
		 "{'ociVersion':'1.0.0','annotations':{'b':'c'}}"},
		{"{'ociVersion':'1.0.0','linux':{'rootfsPropagation':'','cgroupsPath':'','namespaces':[{'type':'pid','path':''}]}}",
		 "{'ociVersion':'1.0.0','linux':{'namespaces':[{'type':'pid'}]}}"},
		{"{'ociVersion':'1.0.0','linux':{'devices':[{'path':'dev/x','type':'u','major':1,'minor':2,'fileMode':8630}]}}",
		 "{'ociVersion':'1.0.0','linux':{'devices':[{'path':'/dev/x','type':'c','major':1,'minor':2,'fileMode':438}]}}"},
		{"{'ociVersion':'1.0.0','linux':{'seccomp':{'defaultAction':'SCMP_ACT_KILL','flags':[]}}}",
		 "{'ociVersion':'1.0.0','linux':{'seccomp':{'defaultAction':'SCMP_ACT_KILL_THREAD','flags':[]}}}"},
		{"{'ociVersion':'1.0.0','linux':{'resources':{'devices':[{'allow':true,'type':'a','major':-1,'minor':-1,'access':'rwm'}]}}}",
		 "{'ociVersion':'1.0.0','linux':{'resources':{'devices':[{'allow':true,'access':'rwm'}]}}}"},
		{"{'ociVersion':'1.0.0','process':{'args':['a'],'cwd':'/','env':['A=x\\ny']}}",
		 "{'ociVersion':'1.0.0','process':{'user':{'uid':0,'gid':0},'args':['a'],'env':['A=x\\ny'],'cwd':'/'}}"},
		{"{'ociVersion':'1.0.0','solaris':{},'vm':{'kernel':{}}}", "{'ociVersion':'1.0.0'}"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		autofree char *want = mem_strdup(rows[i].want);
		autofree char *got = NULL;
		autospec struct spec s = {0};

		ROW(rows[i].text);
		for (char *p = want; *p; p++)
			*p = *p == '\'' ? '"' : *p;
		if (!parse(rows[i].text, &s))
			continue;
		got = written(&s);
		CHECK_STR(got, want);
	}
}

/* runc ignores these with a warning; only the exact spelling grants anything. */
TEST(unknown_capabilities_are_left_out)
{
	autospec struct spec s = {0};
	enum log_level level = log_get_level();

	log_setup(2, LOG_FORMAT_TEXT, LOG_ERROR);
	REQUIRE(parse(
		"{'ociVersion':'1.0.0','process':{'args':['a'],'cwd':'/','capabilities':{'bounding':['CAP_NEW_ONE','CAP_KILL',"
		"'cap_chown','SYS_ADMIN','CAP_sys_admin','']}}}",
		&s));
	log_setup(2, LOG_FORMAT_TEXT, level);
	CHECK_INT(s.process.caps.bounding, 1u << CAP_KILL);
}

TEST(foreign_sections_are_known)
{
	autospec struct spec s = {0};

	REQUIRE(parse("{'ociVersion':'1.0.0','freebsd':{},'vm':{}}", &s));
	CHECK(s.has_foreign && s.has_vm);
}

TEST(parts_alone)
{
	static const char process[] = "{\"args\":[\"a\"],\"cwd\":\"/\",\"user\":{\"uid\":5}}";
	static const char resources[] = "{\"memory\":{\"limit\":-1},\"unknown\":1}";
	struct arena a = {0};
	struct error err = {0};
	struct spec_process p;
	struct spec_resources r;

	REQUIRE(spec_parse_process(process, sizeof(process) - 1, "p", &a, &p, &err) == 0);
	CHECK(p.set && p.user.uid == 5 && p.env.items && !p.caps.set);
	REQUIRE(spec_parse_resources(resources, sizeof(resources) - 1, "r", &a, &r, &err) == 0);
	CHECK(r.memory.limit.set && r.memory.limit.v == -1 && !r.memory.swap.set);
	arena_done(&a);
}

/* ---- lists that grow ---------------------------------------------------------------------------------------------- */

TEST(lists_and_maps_grow_after_parsing)
{
	autospec struct spec s = {0};
	char text[16];

	REQUIRE(parse(
		"{'ociVersion':'1.0.0','annotations':{'a':'1','b':'2','c':'3'},'process':{'args':['x','y','z'],'cwd':'/'}}",
		&s));
	for (int i = 0; i < 100; i++) {
		(void)snprintf(text, sizeof(text), "n%d", i);
		spec_strs_push(&s.arena, &s.process.args, text);
		spec_map_set(&s.arena, &s.annotations, text, "v");
	}
	spec_map_set(&s.arena, &s.annotations, "b", "new");
	CHECK_INT(s.process.args.count, 103);
	CHECK_STR(s.process.args.items[2], "z");
	CHECK_STR(s.process.args.items[102], "n99");
	CHECK(s.process.args.items[103] == NULL);
	CHECK_INT(s.annotations.count, 103);
	CHECK_STR(spec_map_get(&s.annotations, "b"), "new");
	CHECK_STR(spec_map_get(&s.annotations, "n99"), "v");
	CHECK(spec_map_get(&s.annotations, "none") == NULL);
}

/* ---- defaults ----------------------------------------------------------------------------------------------------- */

/* Compared by hand with `runc spec` of runc 1.1.5 and with libcontainer/specconv/example.go of runc 1.5; newer ones ask
 * for no ambient capabilities, as here. */
TEST(default_document)
{
	autospec struct spec s = {0};
	struct error err = {0};

	spec_default(&s, false, 0, 0);
	CHECK_INT(spec_validate(&s, &err), 0);
	CHECK_STR(err.msg, "");
	CHECK_STR(s.oci_version, "1.3.0");
	CHECK_STR(s.process.args.items[0], "sh");
	CHECK(s.process.terminal && s.process.no_new_privileges && s.root_readonly);
	CHECK_INT(s.process.caps.bounding, 1u << CAP_AUDIT_WRITE | 1u << CAP_KILL | 1u << CAP_NET_BIND_SERVICE);
	CHECK_INT(s.process.caps.ambient, 0);
	CHECK_INT(s.mount_count, 7);
	CHECK_STR(s.mounts[2].data, "newinstance,ptmxmode=0666,mode=0620,gid=5");
	CHECK_STR(s.mounts[5].type, "sysfs");
	CHECK_INT(s.linux_.masked_paths.count, 10);
	CHECK_INT(s.linux_.readonly_paths.count, 5);
	CHECK_INT(s.linux_.resources.device_count, 1);
	CHECK(s.linux_.ns[SPEC_NS_NETWORK].present && !s.linux_.ns[SPEC_NS_USER].present);
}

TEST(default_document_rootless)
{
	autospec struct spec s = {0};
	struct error err = {0};

	spec_default(&s, true, 1000, 100);
	CHECK_INT(spec_validate(&s, &err), 0);
	CHECK_STR(err.msg, "");
	CHECK(!s.linux_.ns[SPEC_NS_NETWORK].present && s.linux_.ns[SPEC_NS_USER].present);
	CHECK_INT(s.linux_.uid_mappings.items[0].host_id, 1000);
	CHECK_INT(s.linux_.gid_mappings.items[0].host_id, 100);
	CHECK_INT(s.linux_.gid_mappings.items[0].size, 1);
	CHECK_STR(s.mounts[2].data, "newinstance,ptmxmode=0666,mode=0620");
	CHECK(s.mounts[5].bind && s.mounts[5].recursive_bind);
	CHECK_STR(s.mounts[5].source, "/sys");
	CHECK_INT(s.linux_.resources.device_count, 0);
}

TEST(defaults_are_read_again)
{
	for (int rootless = 0; rootless < 2; rootless++) {
		autospec struct spec s = {0};
		autospec struct spec again = {0};
		autofree char *first = NULL;
		autofree char *second = NULL;

		spec_default(&s, rootless, 1, 2);
		spec_add_default_mounts(&s, rootless, !rootless, rootless, 1 << 20);
		spec_add_default_masks(&s);
		spec_add_default_seccomp(&s, 0, "SCMP_ARCH_X86_64", 6 << 16);
		first = written(&s);
		REQUIRE(parse(first, &again));
		second = written(&again);
		CHECK_STR(second, first);
	}
}

static const struct spec_mount *mount_at(const struct spec *s, const char *destination)
{
	for (size_t i = 0; i < s->mount_count; i++) {
		if (str_eq(s->mounts[i].destination, destination))
			return &s->mounts[i];
	}
	CHECK(!"mount_at");
	return &s->mounts[0];
}

TEST(engine_mounts)
{
	autospec struct spec own = {0};
	autospec struct spec host = {0};

	spec_init(&own);
	spec_add_default_mounts(&own, true, true, true, 67108864);
	CHECK_INT(own.mount_count, 7);
	CHECK_STR(mount_at(&own, "/sys")->type, "sysfs");
	CHECK_STR(mount_at(&own, "/dev/shm")->data, "mode=1777,size=67108864");
	CHECK_CONTAINS(mount_at(&own, "/dev/pts")->data, "gid=5");

	spec_init(&host);
	host.linux_.ns[SPEC_NS_USER].present = true;
	ARENA_PUSH(&host.arena, host.linux_.gid_mappings.items, host.linux_.gid_mappings.count) =
		(struct spec_id_map){.size = 1};
	spec_add_default_mounts(&host, false, false, false, 0);
	CHECK_INT(host.mount_count, 7);
	CHECK(mount_at(&host, "/sys")->recursive_bind && mount_at(&host, "/sys")->rec_set);
	CHECK(mount_at(&host, "/sys/fs/cgroup")->recursive_bind);
	CHECK(mount_at(&host, "/dev/mqueue")->bind && mount_at(&host, "/dev/mqueue")->optional_source);
	CHECK(mount_at(&host, "/dev/shm")->bind);
	CHECK_STR(mount_at(&host, "/dev/pts")->data, "newinstance,ptmxmode=0666,mode=0620");
}
