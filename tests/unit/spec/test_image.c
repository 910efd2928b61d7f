/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digests, media types, platforms, and the documents of images, good and hostile (V15, V16, V18, V30, V31).
 */
#include "spec/image.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "test.h"

#define H64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define D "'sha256:" H64 "'"
#define OCI "application/vnd.oci.image."
#define CONFIG "'config':{'mediaType':'" OCI "config.v1+json','digest':" D ",'size':2}"
#define LAYERS "'layers':[{'mediaType':'" OCI "layer.v1.tar+gzip','digest':" D ",'size':3}]"
#define ROOTFS "'rootfs':{'type':'layers','diff_ids':[" D "]}"

static char *quoted(const char *text)
{
	char *s = mem_strdup(text);

	for (char *p = s; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	return s;
}

TEST(digests)
{
	static const char *const bad[] = {
		"",
		"sha256",
		"sha256:",
		"sha256:x",
		"sha256:" H64 "0",
		"sha512:" H64,
		"md5:" H64,
		":" H64,
		"sha256:../../../../../../../../../../../../../../../../../../../../../../../",
		"SHA256:" H64,
		" sha256:" H64,
		"sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef",
		"sha256-" H64,
	};

	CHECK(image_digest_valid("sha256:" H64));
	CHECK(image_digest_valid("sha512:" H64 H64));
	CHECK_STR(image_digest_hex("sha256:" H64), H64);
	CHECK(image_digest_hex("sha256:") == NULL);
	CHECK(!image_digest_valid(NULL));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ROW(bad[i]);
		CHECK(!image_digest_valid(bad[i]));
	}
}

TEST(media_types)
{
	enum image_compression c = IMAGE_PLAIN;

	CHECK_INT(image_media_from_type(OCI "index.v1+json", NULL), IMAGE_MEDIA_INDEX);
	CHECK_INT(image_media_from_type("application/vnd.docker.distribution.manifest.v2+json", NULL),
		  IMAGE_MEDIA_MANIFEST);
	CHECK_INT(image_media_from_type(OCI "config.v1+json", &c), IMAGE_MEDIA_CONFIG);
	CHECK_INT(image_media_from_type(OCI "layer.v1.tar+zstd", &c), IMAGE_MEDIA_LAYER);
	CHECK_INT(c, IMAGE_ZSTD);
	CHECK_INT(image_media_from_type("application/vnd.docker.image.rootfs.diff.tar.gzip", &c), IMAGE_MEDIA_LAYER);
	CHECK_INT(c, IMAGE_GZIP);
	CHECK_INT(image_media_from_type("text/html", &c), IMAGE_MEDIA_UNKNOWN);
	CHECK_INT(c, IMAGE_GZIP);
	CHECK_INT(image_media_from_type(NULL, NULL), IMAGE_MEDIA_UNKNOWN);
}

TEST(platforms)
{
	static const struct {
		const char *text, *os, *arch, *variant;
	} rows[] = {
		{"linux/amd64", "linux", "amd64", NULL},     {"linux/arm64/v8", "linux", "arm64", "v8"},
		{"Linux/X86_64", "linux", "amd64", NULL},    {"aarch64", "linux", "arm64", NULL},
		{"linux/armhf", "linux", "arm", "v7"},       {"linux/arm/v6", "linux", "arm", "v6"},
		{"windows/amd64", "windows", "amd64", NULL},
	};
	static const char *const bad[] = {"",    "/",        "linux/",    "/amd64", "linux//v8", "linux/arm/v6/x",
					  "a b", "linux/\n", "linux/arm/"};
	struct arena a = {0};
	struct error err = {0};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct image_platform p = {0};

		ROW(rows[i].text);
		CHECK_INT(image_platform_parse(&a, rows[i].text, &p, &err), 0);
		CHECK_STR(p.os, rows[i].os);
		CHECK_STR(p.architecture, rows[i].arch);
		CHECK_STR(p.variant, rows[i].variant);
	}
	struct image_platform windows = {0};

	CHECK_INT(image_platform_parse(&a, "windows", &windows, &err), 0);
	CHECK_STR(windows.os, "windows");
	CHECK_STR(windows.architecture, image_platform_native().architecture);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct image_platform p = {0};

		ROW(bad[i]);
		CHECK(image_platform_parse(&a, bad[i], &p, &err) < 0);
	}
	arena_done(&a);
}

TEST(platform_match)
{
	static const struct {
		struct image_platform want, have;
		bool match;
	} rows[] = {
		{{.os = "linux", .architecture = "amd64"}, {.os = "linux", .architecture = "amd64"}, true},
		{{.os = "linux", .architecture = "amd64"}, {.os = "windows", .architecture = "amd64"}, false},
		{{.os = "linux", .architecture = "amd64"}, {.os = "linux", .architecture = "arm64"}, false},
		{{.os = "linux", .architecture = "amd64"}, {.os = "linux"}, false},
		{{.os = "linux", .architecture = "amd64"}, {.os = "unknown", .architecture = "unknown"}, false},
		{{.os = "linux", .architecture = "amd64"},
		 {.os = "linux", .architecture = "amd64", .variant = "v3"},
		 false},
		{{.os = "linux", .architecture = "amd64", .variant = "v3"},
		 {.os = "linux", .architecture = "amd64", .variant = "v2"},
		 true},
		{{.os = "linux", .architecture = "arm64"},
		 {.os = "linux", .architecture = "arm64", .variant = "v8"},
		 true},
		{{.os = "linux", .architecture = "arm64", .variant = "v8"},
		 {.os = "linux", .architecture = "arm64"},
		 true},
		{{.os = "linux", .architecture = "arm", .variant = "v7"},
		 {.os = "linux", .architecture = "arm", .variant = "v6"},
		 true},
		{{.os = "linux", .architecture = "arm", .variant = "v6"},
		 {.os = "linux", .architecture = "arm"},
		 false},
		{{.os = "linux", .architecture = "arm"},
		 {.os = "linux", .architecture = "arm", .variant = "odd"},
		 false},
	};
	struct image_platform native = image_platform_native();

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK_INT(image_platform_match(&rows[i].want, &rows[i].have), rows[i].match);
	CHECK(image_platform_match(&native, &native));
}

enum kind { INDEX, MANIFEST, IMAGE };

static int parse(enum kind kind, const char *text, struct error *err)
{
	struct image_index i;
	struct image_manifest m;
	struct image_config c;
	int rc;

	if (kind == INDEX) {
		rc = image_index_parse(text, strlen(text), "doc", &i, err);
		if (rc == 0)
			image_index_done(&i);
	} else if (kind == MANIFEST) {
		rc = image_manifest_parse(text, strlen(text), "doc", &m, err);
		if (rc == 0)
			image_manifest_done(&m);
	} else {
		rc = image_config_parse(text, strlen(text), "doc", &c, err);
		if (rc == 0)
			image_config_done(&c);
	}
	return rc;
}

/* clang-format off */
static const struct {
	enum kind kind;
	const char *text;
	const char *message; /* behind "doc: "; NULL: accepted */
} rows[] = {
	{MANIFEST, "{'schemaVersion':2," CONFIG "," LAYERS "}", NULL},
	{MANIFEST, "{'schemaVersion':2,'mediaType':'" OCI "manifest.v1+json'," CONFIG "," LAYERS "}", NULL},
	{MANIFEST, "{'schemaVersion':2," CONFIG ",'layers':[]}", NULL},
	{MANIFEST, "[]", "expected an object, got an array"},
	{MANIFEST, "{" CONFIG "," LAYERS "}", "schemaVersion: is required, but missing"},
	{MANIFEST, "{'schemaVersion':1,'fsLayers':[]}", "schemaVersion: expected 2 (schema 1 is not supported), got 1"},
	{MANIFEST, "{'schemaVersion':2," CONFIG "}", "layers: is required, but missing"},
	{MANIFEST, "{'schemaVersion':2," LAYERS "}", "config: is required, but missing"},
	{MANIFEST, "{'schemaVersion':2," CONFIG "," LAYERS ",'manifests':[]}", "manifests: does not belong into this kind of document"},
	{MANIFEST, "{'schemaVersion':2,'mediaType':'" OCI "index.v1+json'," CONFIG "," LAYERS "}",
	 "mediaType: expected the media type of a manifest, got \"" OCI "index.v1+json\""},
	{MANIFEST, "{'schemaVersion':2,'mediaType':7," CONFIG "," LAYERS "}", "mediaType: expected a string, got an integer"},
	{MANIFEST, "{'schemaVersion':2,'config':{}," LAYERS "}", "config.mediaType: is required, but missing"},
	{MANIFEST, "{'schemaVersion':2,'config':{'mediaType':'x','size':1}," LAYERS "}", "config.digest: is required, but missing"},
	{MANIFEST, "{'schemaVersion':2,'config':{'mediaType':'x','digest':" D "}," LAYERS "}", "config.size: is required, but missing"},
	{MANIFEST, "{'schemaVersion':2,'config':{'mediaType':'x','digest':" D ",'size':-1}," LAYERS "}",
	 "config.size: expected an integer between 0 and 9223372036854775807, got -1"},
	{MANIFEST, "{'schemaVersion':2,'config':{'mediaType':'x','digest':'../../etc/passwd','size':1}," LAYERS "}",
	 "config.digest: expected sha256:<64 hex digits> or sha512:<128 hex digits>, got \"../../etc/passwd\""},
	{MANIFEST, "{'schemaVersion':2," CONFIG ",'layers':{}}", "layers: expected an array of objects, got an object"},
	{MANIFEST, "{'schemaVersion':2," CONFIG ",'layers':[null]}", "layers[0]: expected an object, got null"},
	{MANIFEST, "{'schemaVersion':2," CONFIG "," LAYERS ",'annotations':{'a':1}}", "annotations[\"a\"]: expected a string, got an integer"},

	{INDEX, "{'schemaVersion':2,'manifests':[]}", NULL},
	{INDEX, "{'schemaVersion':2,'manifests':[{'mediaType':'x','digest':" D ",'size':1,'platform':{'os':'linux','architecture':'arm'}}]}", NULL},
	{INDEX, "{'schemaVersion':2}", "manifests: is required, but missing"},
	{INDEX, "{'schemaVersion':2,'manifests':[],'layers':[]}", "layers: does not belong into this kind of document"},
	{INDEX, "{'schemaVersion':2,'manifests':[]," CONFIG "}", "config: does not belong into this kind of document"},
	{INDEX, "{'schemaVersion':2,'mediaType':'" OCI "manifest.v1+json','manifests':[]}",
	 "mediaType: expected the media type of an index, got \"" OCI "manifest.v1+json\""},
	{INDEX, "{'schemaVersion':'2','manifests':[]}", "schemaVersion: expected 2 (schema 1 is not supported), got \"2\""},
	{INDEX, "{'schemaVersion':2,'manifests':[{'mediaType':'x','digest':" D ",'size':1,'platform':'linux'}]}",
	 "manifests[0].platform: expected an object, got a string"},
	{INDEX, "{'schemaVersion':2,'manifests':[{'mediaType':'x','digest':" D ",'size':1,'platform':{'os':'\\u001b[2J'}}]}",
	 "manifests[0].platform.os: expected a string without control characters, got \"?[2J\""},

	{IMAGE, "{" ROOTFS "}", NULL},
	{IMAGE, "{" ROOTFS ",'config':null,'history':null}", NULL},
	{IMAGE, "{" ROOTFS ",'config':{'Env':null,'Cmd':null,'User':''}}", NULL},
	{IMAGE, "{" ROOTFS ",'config':{'Env':['A=b\\tc']}}", NULL},
	{IMAGE, "{}", "rootfs: is required, but missing"},
	{IMAGE, "{'rootfs':{'diff_ids':[]}}", "rootfs.type: is required, but missing"},
	{IMAGE, "{'rootfs':{'type':'zip'}}", "rootfs.type: expected \"layers\", got \"zip\""},
	{IMAGE, "{'rootfs':{'type':'layers','diff_ids':['x']}}",
	 "rootfs.diff_ids[0]: expected sha256:<64 hex digits> or sha512:<128 hex digits>, got \"x\""},
	{IMAGE, "{" ROOTFS ",'config':[]}", "config: expected an object, got an array"},
	{IMAGE, "{" ROOTFS ",'config':{'User':'a\\nroot::0:0:::'}}",
	 "config.User: expected a string without control characters, got \"a?root::0:0:::\""},
	{IMAGE, "{" ROOTFS ",'config':{'User':0}}", "config.User: expected a string, got an integer"},
	{IMAGE, "{" ROOTFS ",'config':{'Env':['A=b\\nc']}}", "config.Env[0]: expected NAME=value without control characters, got \"A=b?c\""},
	{IMAGE, "{" ROOTFS ",'config':{'Env':['HOME']}}", "config.Env[0]: expected NAME=value without control characters, got \"HOME\""},
	{IMAGE, "{" ROOTFS ",'config':{'Env':['=x']}}", "config.Env[0]: expected NAME=value without control characters, got \"=x\""},
	{IMAGE, "{" ROOTFS ",'config':{'WorkingDir':'/a\\u0007'}}",
	 "config.WorkingDir: expected a string without control characters, got \"/a?\""},
	{IMAGE, "{" ROOTFS ",'config':{'Entrypoint':'sh'}}", "config.Entrypoint: expected an array of strings, got a string"},
	{IMAGE, "{" ROOTFS ",'config':{'Cmd':['a',1]}}", "config.Cmd[1]: expected a string, got an integer"},
	{IMAGE, "{" ROOTFS ",'config':{'Volumes':{'/../../etc':{}}}}",
	 "config.Volumes[\"/../../etc\"]: the key is not a path without \"..\" and control characters"},
	{IMAGE, "{" ROOTFS ",'config':{'Volumes':{'..':{}}}}", "config.Volumes[\"..\"]: the key is not a path without \"..\" and control characters"},
	{IMAGE, "{" ROOTFS ",'config':{'Volumes':['/a']}}", "config.Volumes: expected an object, got an array"},
	{IMAGE, "{" ROOTFS ",'config':{'ExposedPorts':{'80/tcp':1}}}", "config.ExposedPorts[\"80/tcp\"]: expected an object, got an integer"},
	{IMAGE, "{" ROOTFS ",'config':{'Labels':{'a':{}}}}", "config.Labels[\"a\"]: expected a string, got an object"},
	{IMAGE, "{" ROOTFS ",'config':{'StopSignal':'a\\nb'}}", "config.StopSignal: expected a string without control characters, got \"a?b\""},
	{IMAGE, "{" ROOTFS ",'config':{'Healthcheck':{'Retries':-1}}}", "config.Healthcheck.Retries: expected an integer between 0 and 2147483647, got -1"},
	{IMAGE, "{" ROOTFS ",'config':{'Healthcheck':{'Interval':'1s'}}}",
	 "config.Healthcheck.Interval: expected an integer between 0 and 9223372036854775807, got a string"},
	{IMAGE, "{" ROOTFS ",'history':{}}", "history: expected an array of objects, got an object"},
	{IMAGE, "{" ROOTFS ",'history':[{'empty_layer':'no'}]}", "history[0].empty_layer: expected true or false, got a string"},
	{IMAGE, "{" ROOTFS ",'architecture':1}", "architecture: expected a string, got an integer"},
};
/* clang-format on */

TEST(documents)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		autofree char *text = quoted(rows[i].text);
		autofree char *message = mem_printf("doc: %s", rows[i].message ? rows[i].message : "");
		struct error err = {0};

		ROW(rows[i].text);
		if (rows[i].message) {
			CHECK(parse(rows[i].kind, text, &err) < 0);
			CHECK_STR(err.msg, message);
		} else {
			CHECK_INT(parse(rows[i].kind, text, &err), 0);
			CHECK_STR(err.msg, "");
		}
	}
}

TEST(values_of_a_manifest)
{
	autofree char *text = quoted("{'schemaVersion':2," CONFIG "," LAYERS ",'annotations':{'k':'v'}}");
	struct image_manifest m;
	struct error err = {0};

	REQUIRE(image_manifest_parse(text, strlen(text), "doc", &m, &err) == 0);
	CHECK(m.media_type == NULL);
	CHECK_STR(m.config.digest, "sha256:" H64);
	CHECK_INT(m.config.size, 2);
	CHECK_INT(m.layer_count, 1);
	CHECK_INT(m.layers[0].size, 3);
	CHECK_STR(m.layers[0].media_type, OCI "layer.v1.tar+gzip");
	CHECK_INT(m.layers[0].urls.count, 0);
	CHECK_STR(spec_map_get(&m.annotations, "k"), "v");
	image_manifest_done(&m);
}

TEST(values_of_a_config)
{
	autofree char *text = quoted(
		"{'architecture':'arm64','variant':'v8','os':'linux','created':'2020-01-01T00:00:00Z','config':{'User':'a:b',"
		"'ExposedPorts':{'80/tcp':{},'53/udp':null},'Env':['A=1','B='],'Entrypoint':['/e'],'Cmd':['c','d'],'Volumes':"
		"{'/data':{}},'WorkingDir':'/w','Labels':{'l':'m'},'StopSignal':'SIGINT','Healthcheck':{'Test':['NONE'],"
		"'Retries':3,'Interval':5}}," ROOTFS ",'history':[{'created_by':'x\\ny','empty_layer':true},{}]}");
	struct image_config c;
	struct error err = {0};

	REQUIRE(image_config_parse(text, strlen(text), "doc", &c, &err) == 0);
	CHECK_STR(c.platform.architecture, "arm64");
	CHECK_STR(c.platform.variant, "v8");
	CHECK_STR(c.user, "a:b");
	CHECK_STR(c.working_dir, "/w");
	CHECK_STR(c.stop_signal, "SIGINT");
	CHECK_INT(c.exposed_ports.count, 2);
	CHECK_STR(c.exposed_ports.items[0], "80/tcp");
	CHECK_STR(c.env.items[1], "B=");
	CHECK(c.env.items[2] == NULL);
	CHECK_STR(c.cmd.items[1], "d");
	CHECK_STR(c.volumes.items[0], "/data");
	CHECK_STR(spec_map_get(&c.labels, "l"), "m");
	CHECK(c.health.set);
	CHECK_INT(c.health.retries, 3);
	CHECK_INT(c.health.interval_ns, 5);
	CHECK_INT(c.diff_ids.count, 1);
	CHECK_INT(c.history_count, 2);
	CHECK(c.history[0].empty_layer && !c.history[1].empty_layer);
	CHECK(c.shell.items && !c.shell.items[0]);
	image_config_done(&c);
}

TEST(a_bare_config_has_no_null_pointers)
{
	autofree char *text = quoted("{" ROOTFS "}");
	struct image_config c;
	struct error err = {0};

	REQUIRE(image_config_parse(text, strlen(text), "doc", &c, &err) == 0);
	CHECK_STR(c.user, "");
	CHECK_STR(c.working_dir, "");
	CHECK(c.env.items && c.cmd.items && c.entrypoint.items && c.health.test.items);
	CHECK(!c.stop_signal && !c.health.set);
	image_config_done(&c);
}

TEST(bounds)
{
	struct buf text = BUF_INIT(1 << 20);
	struct error err = {0};
	struct image_manifest m;
	struct image_config c;
	struct image_index i;

	buf_puts(&text, "{'schemaVersion':2," CONFIG ",'layers':[{'mediaType':'x','digest':" D ",'size':1}");
	for (int n = 0; n < IMAGE_MAX_LAYERS; n++)
		buf_puts(&text, ",{'mediaType':'x','digest':" D ",'size':1}");
	buf_puts(&text, "]}");
	autofree char *json = quoted(buf_str(&text));

	CHECK(image_manifest_parse(json, strlen(json), "doc", &m, &err) < 0);
	CHECK_INT(err.kind, ERROR_LIMIT);
	CHECK_STR(err.msg, "doc: layers: has 501 elements, at most 500 are accepted");
	CHECK(image_manifest_parse("", IMAGE_MANIFEST_MAX_BYTES + 1, "doc", &m, &err) < 0);
	CHECK_INT(err.kind, ERROR_LIMIT);
	CHECK(image_index_parse("", IMAGE_MANIFEST_MAX_BYTES + 1, "doc", &i, &err) < 0);
	CHECK_STR(err.msg, "doc: has 4194305 bytes, at most 4194304 are accepted");
	CHECK(image_config_parse("", IMAGE_CONFIG_MAX_BYTES + 1, "doc", &c, &err) < 0);
	CHECK_INT(err.kind, ERROR_LIMIT);
	buf_done(&text);
}
