/* SPDX-License-Identifier: Apache-2.0 */
/* The instructions of --change: what each makes of a config, and that nothing else is taken. */
#include <errno.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "engine/engine.h"
#include "test.h"

#define INSTRUCTIONS_MAX 3

TEST(what_instructions_make)
{
	static const struct {
		const char *texts[INSTRUCTIONS_MAX + 1], *want;
	} rows[] = {
		/* Commands: a list as it is, anything else is a line for a shell. */
		{{"CMD [\"/bin/sh\", \"-c\", \"a b\"]"}, "{\"Cmd\":[\"/bin/sh\",\"-c\",\"a b\"]}"},
		{{"CMD []"}, "{\"Cmd\":[]}"},
		{{"CMD echo \"a  b\""}, "{\"Cmd\":[\"/bin/sh\",\"-c\",\"echo \\\"a  b\\\"\"]}"},
		{{"CMD [\"a\", 1]"}, "{\"Cmd\":[\"/bin/sh\",\"-c\",\"[\\\"a\\\", 1]\"]}"},
		{{"CMD [ -f /x ]"}, "{\"Cmd\":[\"/bin/sh\",\"-c\",\"[ -f /x ]\"]}"},
		{{"CMD one", "CMD [\"two\"]"}, "{\"Cmd\":[\"two\"]}"},
		{{"ENTRYPOINT [\"/init\"]"}, "{\"Entrypoint\":[\"/init\"]}"},
		/* The word in any case, podman's "=", blanks around. */
		{{"cmd [\"a\"]"}, "{\"Cmd\":[\"a\"]}"},
		{{"CMD=[\"a\"]"}, "{\"Cmd\":[\"a\"]}"},
		{{" \tCmd=  [\"a\"] \t"}, "{\"Cmd\":[\"a\"]}"},
		/* Environment: pairs in quotes as a Dockerfile has them, the old form, a key again in its place. */
		{{"ENV A=1"}, "{\"Env\":[\"A=1\"]}"},
		{{"ENV A=1 B='two words' C=\"x\\\"y\" D=a\\ b"},
		 "{\"Env\":[\"A=1\",\"B=two words\",\"C=x\\\"y\",\"D=a b\"]}"},
		{{"ENV A='\\n'"}, "{\"Env\":[\"A=\\\\n\"]}"},
		{{"ENV A=b'c'\"d\""}, "{\"Env\":[\"A=bcd\"]}"},
		{{"ENV A="}, "{\"Env\":[\"A=\"]}"},
		{{"ENV A=b=c"}, "{\"Env\":[\"A=b=c\"]}"},
		{{"ENV PATH \t/bin:/sbin and more"}, "{\"Env\":[\"PATH=/bin:/sbin and more\"]}"},
		{{"ENV=A=1"}, "{\"Env\":[\"A=1\"]}"},
		{{"ENV A=1 B=2", "ENV A=3"}, "{\"Env\":[\"A=3\",\"B=2\"]}"},
		{{"LABEL a=1 b=\"x y\"", "LABEL a=2"}, "{\"Labels\":{\"a\":\"2\",\"b\":\"x y\"}}"},
		{{"LABEL a one two"}, "{\"Labels\":{\"a\":\"one two\"}}"},
		/* Ports, with a protocol, as ranges. */
		{{"EXPOSE 80"}, "{\"ExposedPorts\":{\"80/tcp\":{}}}"},
		{{"EXPOSE 53/udp 8000-8002/sctp", "EXPOSE 80"},
		 "{\"ExposedPorts\":{\"53/udp\":{},\"8000/sctp\":{},\"8001/sctp\":{},\"8002/sctp\":{},\"80/tcp\":{}}}"},
		{{"EXPOSE 65535"}, "{\"ExposedPorts\":{\"65535/tcp\":{}}}"},
		/* Volumes as words or as a list. */
		{{"VOLUME /a /b"}, "{\"Volumes\":{\"/a\":{},\"/b\":{}}}"},
		{{"VOLUME [\"/a b\"]"}, "{\"Volumes\":{\"/a b\":{}}}"},
		{{"VOLUME \"/a b\""}, "{\"Volumes\":{\"/a b\":{}}}"},
		/* A working directory goes on from the one before. */
		{{"WORKDIR /a"}, "{\"WorkingDir\":\"/a\"}"},
		{{"WORKDIR a"}, "{\"WorkingDir\":\"/a\"}"},
		{{"WORKDIR /", "WORKDIR a"}, "{\"WorkingDir\":\"/a\"}"},
		{{"WORKDIR /a", "WORKDIR b", "WORKDIR /c d"}, "{\"WorkingDir\":\"/c d\"}"},
		{{"WORKDIR /a", "WORKDIR b"}, "{\"WorkingDir\":\"/a/b\"}"},
		{{"USER 1000:1000"}, "{\"User\":\"1000:1000\"}"},
		{{"STOPSIGNAL SIGQUIT"}, "{\"StopSignal\":\"SIGQUIT\"}"},
		{{"STOPSIGNAL 9"}, "{\"StopSignal\":\"9\"}"},
		{{"ONBUILD RUN make", "ONBUILD COPY . /"}, "{\"OnBuild\":[\"RUN make\",\"COPY . /\"]}"},
		{{"ONBUILD ON x", "ONBUILD FROMAGE"}, "{\"OnBuild\":[\"ON x\",\"FROMAGE\"]}"},
		/* Health checks. */
		{{"HEALTHCHECK none"}, "{\"Healthcheck\":{\"Test\":[\"NONE\"]}}"},
		{{"HEALTHCHECK CMD curl -f http://localhost/ || exit 1"},
		 "{\"Healthcheck\":{\"Test\":[\"CMD-SHELL\",\"curl -f http://localhost/ || exit 1\"]}}"},
		{{"HEALTHCHECK --interval=30s --timeout=1m30s --start-period=1s --start-interval=2s --retries=3 CMD [\"/ok\"]"},
		 "{\"Healthcheck\":{\"Test\":[\"CMD\",\"/ok\"],\"Interval\":30000000000,\"Timeout\":90000000000,"
		 "\"StartPeriod\":1000000000,\"StartInterval\":2000000000,\"Retries\":3}}"},
		{{"HEALTHCHECK --retries=2 CMD a", "HEALTHCHECK CMD b"},
		 "{\"Healthcheck\":{\"Test\":[\"CMD-SHELL\",\"b\"]}}"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		autojson struct json *config = json_new_object();
		autobuf struct buf got = BUF_INIT(1 << 16);
		struct error err = {0};

		for (size_t k = 0; rows[i].texts[k]; k++) {
			ROW(rows[i].texts[k]);
			CHECK_INT(engine_change_apply(rows[i].texts[k], config, &err), 0);
			CHECK_STR(err.msg, "");
		}
		CHECK(json_write(config, false, &got));
		CHECK_STR(buf_str(&got), rows[i].want);
	}
}

/* Each is refused with a word about what is wrong, and by the name of its instruction. */
TEST(what_is_refused)
{
	static const struct {
		const char *text, *part;
	} rows[] = {
		{"", "is no instruction"},
		{"RUN make", "is no instruction"},
		{"MAINTAINER me", "is no instruction"},
		{"CMDS x", "is no instruction"},
		{"CMD[\"a\"]", "is no instruction"},
		{"CMD-x", "is no instruction"},
		{"=x", "is no instruction"},
		{"CMD", "CMD: something must stand behind it"},
		{"CMD= \t", "CMD: something must stand behind it"},
		{"CMD a\nENV B=1", "CMD: control characters"},
		{"LABEL a=\x1b[31m", "LABEL: control characters"},
		{"ENV A", "ENV: expected KEY=VALUE"},
		{"ENV =x", "ENV: expected KEY=VALUE"},
		{"ENV A=1 B", "ENV: expected KEY=VALUE"},
		{"ENV 'A B'", "ENV: expected KEY=VALUE"},
		{"ENV A='open", "ENV: a quote is not closed"},
		{"ENV A=\"x\\\"", "ENV: a quote is not closed"},
		{"LABEL a=1 =2", "LABEL: expected KEY=VALUE"},
		{"EXPOSE 0", "EXPOSE: expected ports"},
		{"EXPOSE 65536", "EXPOSE: expected ports"},
		{"EXPOSE 80-", "EXPOSE: expected ports"},
		{"EXPOSE 90-80", "EXPOSE: expected ports"},
		{"EXPOSE http", "EXPOSE: expected ports"},
		{"EXPOSE 80/icmp", "EXPOSE: the protocol"},
		{"EXPOSE 80/", "EXPOSE: the protocol"},
		{"EXPOSE 1-4097", "EXPOSE: too many ports"},
		{"EXPOSE '80", "EXPOSE: expected ports"},
		{"VOLUME data", "VOLUME: a volume is an absolute path"},
		{"VOLUME /", "VOLUME: a volume is an absolute path"},
		{"VOLUME /a [\"/b\"]", "VOLUME: a volume is an absolute path"},
		{"VOLUME [\"\"]", "VOLUME: a volume is an absolute path"},
		{"VOLUME \"/a", "VOLUME: a quote is not closed"},
		{"USER a b", "USER: expected USER[:GROUP]"},
		{"STOPSIGNAL SIGNOTHING", "STOPSIGNAL: expected a signal"},
		{"STOPSIGNAL 0", "STOPSIGNAL: expected a signal"},
		{"ONBUILD ONBUILD RUN x", "ONBUILD: ONBUILD, FROM and MAINTAINER"},
		{"ONBUILD from debian", "ONBUILD: ONBUILD, FROM and MAINTAINER"},
		{"HEALTHCHECK", "HEALTHCHECK: something must stand behind it"},
		{"HEALTHCHECK CMD", "HEALTHCHECK: expected NONE, or [OPTIONS] CMD"},
		{"HEALTHCHECK SHELL x", "HEALTHCHECK: expected NONE, or [OPTIONS] CMD"},
		{"HEALTHCHECK NONE x", "HEALTHCHECK: expected NONE, or [OPTIONS] CMD"},
		{"HEALTHCHECK --retries=1 NONE", "HEALTHCHECK: expected NONE, or [OPTIONS] CMD"},
		{"HEALTHCHECK --retries=1", "HEALTHCHECK: expected NONE, or [OPTIONS] CMD"},
		{"HEALTHCHECK --interval=soon CMD x", "HEALTHCHECK: expected a duration"},
		{"HEALTHCHECK --interval=-1s CMD x", "HEALTHCHECK: expected a duration"},
		{"HEALTHCHECK --retries=-1 CMD x", "HEALTHCHECK: its options are"},
		{"HEALTHCHECK --retries=4294967295 CMD x", "HEALTHCHECK: its options are"},
		{"HEALTHCHECK --often CMD x", "HEALTHCHECK: its options are"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		autojson struct json *config = json_new_object();
		struct error err = {0};

		ROW(rows[i].text);
		CHECK_INT(engine_change_apply(rows[i].text, config, &err), -EINVAL);
		CHECK_INT(err.kind, ERROR_INVALID);
		CHECK_CONTAINS(err.msg, "--change: ");
		CHECK_CONTAINS(err.msg, rows[i].part);
	}
}

/* What was there and is not spoken of stays. */
TEST(the_rest_of_the_config_stays)
{
	static const char before[] = "{\"Env\":[\"A=1\"],\"Labels\":{\"a\":\"1\"},\"User\":\"u\",\"Other\":[1,2]}";
	autojson struct json *config = NULL;
	autobuf struct buf got = BUF_INIT(1 << 16);
	struct error err = {0};

	REQUIRE(json_parse(before, sizeof(before) - 1, "config", &config, &err) == 0);
	CHECK_INT(engine_change_apply("ENV B=2", config, &err), 0);
	CHECK_INT(engine_change_apply("LABEL b=2", config, &err), 0);
	CHECK(json_write(config, false, &got));
	CHECK_STR(buf_str(&got),
		  "{\"Env\":[\"A=1\",\"B=2\"],\"Labels\":{\"a\":\"1\",\"b\":\"2\"},\"User\":\"u\",\"Other\":[1,2]}");
}
