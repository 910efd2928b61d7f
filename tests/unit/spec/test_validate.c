/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules between fields. Each row is a document that parses, and the message it must be refused with, or none.
 */
#include "spec/spec.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "test.h"

#define ROOT "'ociVersion':'1.0.0','root':{'path':'r'}"
#define LINUX(...) "{" ROOT ",'linux':{" __VA_ARGS__ "}}"
#define MAPS(size)                                                                                                     \
	"'uidMappings':[{'containerID':0,'hostID':1000,'size':" size                                                   \
	"}],'gidMappings':[{'containerID':0,'hostID':1000,'size':" size "}]"
#define USERNS "'namespaces':[{'type':'user'}]"
#define PROCESS(user) "'process':{'args':['a'],'cwd':'/','user':" user "}"
#define MOUNT(...) "{" ROOT ",'mounts':[{'destination':'/a'," __VA_ARGS__ "}]}"
#define FILTER(...) LINUX("'seccomp':{" __VA_ARGS__ "}")

/* clang-format off */
static const struct {
	const char *text;
	const char *message; /* NULL: valid */
} rows[] = {
	{"{" ROOT "}", NULL},
	{"{'ociVersion':'1.0.0'}", "root: is required, but missing"},

	{"{" ROOT ",'hostname':'h'}", "hostname: needs a uts namespace in linux.namespaces, or it would be the host's name"},
	{"{" ROOT ",'domainname':'h'}", "domainname: needs a uts namespace in linux.namespaces, or it would be the host's name"},
	{"{" ROOT ",'hostname':'h','linux':{'namespaces':[{'type':'uts'}]}}", NULL},

	{LINUX(MAPS("5")), "linux.uidMappings: needs a user namespace in linux.namespaces"},
	{LINUX("'gidMappings':[{'containerID':0,'hostID':1000,'size':1}]"), "linux.gidMappings: needs a user namespace in linux.namespaces"},
	{LINUX(USERNS), "linux.uidMappings: is required for a new user namespace"},
	{LINUX(USERNS ",'uidMappings':[{'containerID':0,'hostID':0,'size':1}]"), "linux.gidMappings: is required for a new user namespace"},
	{LINUX(USERNS "," MAPS("5")), NULL},
	{LINUX("'namespaces':[{'type':'user','path':'/p'}]"), NULL},
	{LINUX("'namespaces':[{'type':'user','path':'/p'}]," MAPS("5")), NULL},
	{LINUX(USERNS ",'uidMappings':[{'containerID':0,'hostID':0,'size':10},{'containerID':9,'hostID':100,'size':1}],"
	       "'gidMappings':[{'containerID':0,'hostID':0,'size':1}]"),
	 "linux.uidMappings[1].containerID: the range overlaps with entry 0"},
	{LINUX(USERNS ",'uidMappings':[{'containerID':0,'hostID':5,'size':10}],"
	       "'gidMappings':[{'containerID':0,'hostID':5,'size':10},{'containerID':10,'hostID':0,'size':6}]"),
	 "linux.gidMappings[1].hostID: the range overlaps with entry 0"},
	{LINUX(USERNS ",'uidMappings':[{'containerID':0,'hostID':5,'size':10},{'containerID':10,'hostID':15,'size':4294967200}],"
	       "'gidMappings':[{'containerID':0,'hostID':5,'size':10}]"), NULL},

	{"{" ROOT "," PROCESS("{'uid':5}") ",'linux':{" USERNS "," MAPS("5") "}}", "process.user.uid: 5 is not in linux.uidMappings"},
	{"{" ROOT "," PROCESS("{'gid':5}") ",'linux':{" USERNS "," MAPS("5") "}}", "process.user.gid: 5 is not in linux.gidMappings"},
	{"{" ROOT "," PROCESS("{'additionalGids':[4,7]}") ",'linux':{" USERNS "," MAPS("5") "}}",
	 "process.user.additionalGids[1]: 7 is not in linux.gidMappings"},
	{"{" ROOT "," PROCESS("{'uid':4,'gid':4,'additionalGids':[0]}") ",'linux':{" USERNS "," MAPS("5") "}}", NULL},
	{"{" ROOT "," PROCESS("{'uid':77}") "}", NULL},

	{"{" ROOT ",'process':{'args':['a'],'cwd':'/','capabilities':{'effective':['CAP_KILL'],'permitted':['CAP_CHOWN']}}}",
	 "process.capabilities.effective: CAP_KILL is not in permitted"},
	{"{" ROOT ",'process':{'args':['a'],'cwd':'/','capabilities':{'ambient':['CAP_KILL'],'permitted':['CAP_KILL']}}}", NULL},

	{MOUNT("'options':['bind']"), "mounts[0].source: is required for a bind mount"},
	{MOUNT("'type':'bind'"), "mounts[0].source: is required for a bind mount"},
	{MOUNT("'source':'/s','options':['rbind','size=1k']"),
	 NULL}, /* as mount(8): nothing on a bind takes it */
	{MOUNT("'source':'/s','options':['rbind','ro']"), NULL},
	{MOUNT("'type':'tmpfs','options':['size=1k']"), NULL},
	{MOUNT("'source':'/s','options':['bind'],'uidMappings':[{'containerID':0,'hostID':0,'size':1}]"),
	 "mounts[0].gidMappings: uidMappings and gidMappings must be given together"},
	{MOUNT("'source':'/s','options':['bind'],'gidMappings':[{'containerID':0,'hostID':0,'size':1}]"),
	 "mounts[0].uidMappings: uidMappings and gidMappings must be given together"},
	{MOUNT("'source':'/s','options':['bind','idmap']"),
	 "mounts[0].options: an id-mapped mount needs uidMappings and gidMappings, or a user namespace in linux.namespaces"},
	{MOUNT("'source':'/s','options':['bind','idmap']," MAPS("5")), NULL},
	{"{" ROOT ",'mounts':[{'destination':'/a','source':'/s','options':['bind','idmap']}],'linux':{" USERNS "," MAPS("5") "}}", NULL},
	{MOUNT("'source':'/s','options':['bind'],'uidMappings':[{'containerID':0,'hostID':0,'size':2},{'containerID':1,'hostID':9,'size':1}],"
	       "'gidMappings':[{'containerID':0,'hostID':0,'size':1}]"),
	 "mounts[0].uidMappings[1].containerID: the range overlaps with entry 0"},

	{LINUX("'maskedPaths':['/a']"), "linux.maskedPaths: needs a mount namespace in linux.namespaces, or the host's files would be changed"},
	{LINUX("'readonlyPaths':['/a']"), "linux.readonlyPaths: needs a mount namespace in linux.namespaces, or the host's files would be changed"},
	{LINUX("'maskedPaths':['/a'],'namespaces':[{'type':'mount'}]"), NULL},

	{LINUX("'sysctl':{'net.ipv4.ip_forward':'1'}"),
	 "linux.sysctl[\"net.ipv4.ip_forward\"]: needs \"network\" in linux.namespaces, or it would change the host"},
	{LINUX("'sysctl':{'net/ipv4/ip_forward':'1'},'namespaces':[{'type':'network'}]"), NULL},
	{LINUX("'sysctl':{'kernel.shmmax':'1'},'namespaces':[{'type':'network'}]"),
	 "linux.sysctl[\"kernel.shmmax\"]: needs \"ipc\" in linux.namespaces, or it would change the host"},
	{LINUX("'sysctl':{'fs.mqueue.msg_max':'1'},'namespaces':[{'type':'ipc'}]"), NULL},
	{LINUX("'sysctl':{'user.max_user_namespaces':'1'}"),
	 "linux.sysctl[\"user.max_user_namespaces\"]: needs \"user\" in linux.namespaces, or it would change the host"},
	{LINUX("'sysctl':{'kernel.domainname':'1'},'namespaces':[{'type':'uts'}]"), NULL},
	{LINUX("'sysctl':{'kernel.hostname':'1'},'namespaces':[{'type':'uts'}]"), "linux.sysctl[\"kernel.hostname\"]: is set by the field hostname"},
	{LINUX("'sysctl':{'kernel/hostname':'1'},'namespaces':[{'type':'uts'}]"), "linux.sysctl[\"kernel/hostname\"]: is set by the field hostname"},
	{LINUX("'sysctl':{'kernel.core_pattern':'|/x'}"), "linux.sysctl[\"kernel.core_pattern\"]: belongs to no namespace, so it would change the host"},
	{LINUX("'sysctl':{'vm.swappiness':'1'}"), "linux.sysctl[\"vm.swappiness\"]: belongs to no namespace, so it would change the host"},

	{LINUX("'timeOffsets':{'monotonic':{'secs':1}}"), "linux.timeOffsets: needs a time namespace in linux.namespaces"},
	{LINUX("'timeOffsets':{'boottime':{'secs':1}},'namespaces':[{'type':'time','path':'/p'}]"),
	 "linux.timeOffsets: cannot be set in a time namespace that is joined by path"},
	{LINUX("'timeOffsets':{'boottime':{'secs':1}},'namespaces':[{'type':'time'}]"), NULL},

	{LINUX("'netDevices':{'eth0':{}}"), "linux.netDevices: needs a network namespace in linux.namespaces"},
	{LINUX("'netDevices':{'eth0':{'name':'a'},'eth1':{'name':'a'}},'namespaces':[{'type':'network'}]"),
	 "linux.netDevices[\"eth1\"].name: \"a\" is also the name of \"eth0\""},
	{LINUX("'netDevices':{'eth0':{},'eth1':{'name':'eth0'}},'namespaces':[{'type':'network'}]"),
	 "linux.netDevices[\"eth1\"].name: \"eth0\" is also the name of \"eth0\""},
	{LINUX("'netDevices':{'eth0':{'name':'c%d'},'eth1':{'name':'c%d'}},'namespaces':[{'type':'network','path':'/p'}]"), NULL},

	{FILTER("'defaultAction':'SCMP_ACT_NOTIFY'"),
	 "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY cannot be the default, the process could not even hand over its listener"},
	{FILTER("'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'names':['mkdir'],'action':'SCMP_ACT_NOTIFY'}]"),
	 "linux.seccomp.listenerPath: is required by SCMP_ACT_NOTIFY, but missing"},
	{FILTER("'defaultAction':'SCMP_ACT_ALLOW','listenerPath':'/l','syscalls':[{'names':['mkdir','write'],'action':'SCMP_ACT_NOTIFY'}]"),
	 "linux.seccomp.syscalls[0].action: SCMP_ACT_NOTIFY cannot be used for write, by which the listener is handed over"},
	{FILTER("'defaultAction':'SCMP_ACT_ALLOW','listenerMetadata':'m'"),
	 "linux.seccomp.listenerMetadata: does not go without listenerPath"},
	{FILTER("'defaultAction':'SCMP_ACT_ALLOW','listenerPath':'/l'"), NULL},
	{FILTER("'defaultAction':'SCMP_ACT_ALLOW','listenerPath':'/l','syscalls':[{'names':['mkdir'],'action':'SCMP_ACT_NOTIFY'}]"), NULL},

	{LINUX("'resources':{'memory':{'limit':100,'swap':99}}"),
	 "linux.resources.memory.swap: 99 is memory and swap together, so it cannot be below limit"},
	{LINUX("'resources':{'memory':{'limit':-1,'swap':99}}"),
	 "linux.resources.memory.swap: 99 is memory and swap together, so it cannot be below limit"},
	{LINUX("'resources':{'memory':{'limit':100,'swap':100}}"), NULL},
	{LINUX("'resources':{'memory':{'limit':100,'swap':-1}}"), NULL},
	{LINUX("'resources':{'memory':{'limit':100,'swap':0}}"), NULL},
};
/* clang-format on */

TEST(rules)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		autofree char *text = mem_strdup(rows[i].text);
		autospec struct spec s = {0};
		struct error err = {0};
		int rc;

		ROW(rows[i].text);
		for (char *p = text; *p; p++)
			*p = *p == '\'' ? '"' : *p;
		if (!CHECK_INT(spec_parse(text, strlen(text), "config.json", &s, &err), 0)) {
			printf("\t%s\n", err.msg);
			continue;
		}
		rc = spec_validate(&s, &err);
		CHECK_STR(err.msg, rows[i].message ? rows[i].message : "");
		CHECK(rows[i].message ? rc < 0 && err.kind == ERROR_INVALID : rc == 0);
	}
}

TEST(too_many_mappings)
{
	autospec struct spec s = {0};
	struct error err = {0};

	spec_default(&s, true, 0, 0);
	for (uint32_t i = 1; i <= 340; i++)
		ARENA_PUSH(&s.arena, s.linux_.uid_mappings.items, s.linux_.uid_mappings.count) =
			(struct spec_id_map){.container_id = 2 * i, .host_id = 2 * i, .size = 1};
	CHECK(spec_validate(&s, &err) < 0);
	CHECK_STR(err.msg, "linux.uidMappings: has 341 entries, the kernel takes at most 340");
}
