/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <math.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "test.h"

static struct json *parse(const char *text)
{
	struct error err = {0};
	struct json *j = NULL;

	if (json_parse(text, strlen(text), "doc", &j, &err) < 0) {
		printf("\t%s\n", err.msg);
		CHECK(!"parse");
		return NULL;
	}
	return j;
}

static const char *written(const struct json *j, bool pretty, struct buf *out)
{
	buf_reset(out);
	CHECK(json_write(j, pretty, out));
	return buf_str(out);
}

TEST(types)
{
	autojson struct json *j = parse("{\"n\":null,\"b\":true,\"i\":-3,\"r\":1.5,\"s\":\"x\",\"a\":[1,2],\"o\":{}}");

	CHECK_INT(json_type(j), JSON_OBJECT);
	CHECK_INT(json_len(j), 7);
	CHECK_INT(json_type(json_get(j, "n")), JSON_NULL);
	CHECK_INT(json_type(json_get(j, "b")), JSON_BOOL);
	CHECK(json_bool(json_get(j, "b")));
	CHECK_INT(json_type(json_get(j, "i")), JSON_INT);
	CHECK_INT(json_type(json_get(j, "r")), JSON_REAL);
	CHECK(json_real(json_get(j, "r")) == 1.5);
	CHECK(json_real(json_get(j, "i")) == -3);
	CHECK(json_real(json_get(j, "s")) == 0);
	CHECK_STR(json_str(json_get(j, "s")), "x");
	CHECK_INT(json_len(json_get(j, "a")), 2);
	CHECK_INT(json_type(json_at(json_get(j, "a"), 1)), JSON_INT);
	CHECK(json_at(json_get(j, "a"), 2) == NULL);
	CHECK_INT(json_type(json_get(j, "o")), JSON_OBJECT);
	CHECK(json_get(j, "missing") == NULL);
}

TEST(wrong_types_answer_harmlessly)
{
	autojson struct json *j = parse("[1]");
	uint64_t u = 7;
	int64_t i = 7;

	CHECK(json_get(j, "x") == NULL);
	CHECK(json_get(NULL, "x") == NULL);
	CHECK(json_at(NULL, 0) == NULL);
	CHECK(json_at(json_at(j, 0), 0) == NULL);
	CHECK_INT(json_len(NULL), 0);
	CHECK_INT(json_len(json_at(j, 0)), 0);
	CHECK(json_str(j) == NULL);
	CHECK(json_str(NULL) == NULL);
	CHECK(!json_bool(j));
	CHECK_INT(json_u64(j, &u), -EINVAL);
	CHECK_INT(json_i64(NULL, &i), -EINVAL);
	CHECK_INT(u, 7);
	CHECK_INT(i, 7);
	json_unref(NULL);
}

TEST(type_names)
{
	for (int t = 0; t < JSON_TYPE_COUNT; t++)
		CHECK(json_type_name((enum json_type)t) != NULL);
	CHECK_STR(json_type_name(JSON_STRING), "a string");
	CHECK_STR(json_type_name(JSON_OBJECT), "an object");
}

TEST(integers)
{
	static const struct {
		const char *text;
		int ri;
		int64_t i;
		int ru;
		uint64_t u;
	} rows[] = {
		{"0", 0, 0, 0, 0},
		{"-0", 0, 0, 0, 0},
		{"7", 0, 7, 0, 7},
		{"-1", 0, -1, -ERANGE, 0},
		{"9223372036854775807", 0, INT64_MAX, 0, INT64_MAX},
		{"-9223372036854775808", 0, INT64_MIN, -ERANGE, 0},
		{"9223372036854775808", -ERANGE, 0, 0, UINT64_C(9223372036854775808)},
		{"18446744073709551615", -ERANGE, 0, 0, UINT64_MAX},                         /* RLIM_INFINITY */
		{"1e3", 0, 1000, 0, 1000},
		{"1E3", 0, 1000, 0, 1000},
		{"1.0", 0, 1, 0, 1},
		{"-2e0", 0, -2, -ERANGE, 0},
		{"1.5", -EINVAL, 0, -EINVAL, 0},
		{"-0.5", -EINVAL, 0, -EINVAL, 0},
		{"1e18", 0, INT64_C(1000000000000000000), 0, UINT64_C(1000000000000000000)},
		{"1e19", -ERANGE, 0, 0, UINT64_C(10000000000000000000)},
		{"1e20", -ERANGE, 0, -ERANGE, 0},
		{"-1e19", -ERANGE, 0, -ERANGE, 0},
		{"1e999", -ERANGE, 0, -ERANGE, 0},
		{"-1e999", -ERANGE, 0, -ERANGE, 0},
		{"\"7\"", -EINVAL, 0, -EINVAL, 0},
		{"true", -EINVAL, 0, -EINVAL, 0},
	};

	for (size_t k = 0; k < ARRAY_SIZE(rows); k++) {
		autojson struct json *j = parse(rows[k].text);
		int64_t i = 77;
		uint64_t u = 77;

		ROW(rows[k].text);
		CHECK_INT(json_i64(j, &i), rows[k].ri);
		CHECK_INT(i, rows[k].ri ? 77 : rows[k].i);
		CHECK_INT(json_u64(j, &u), rows[k].ru);
		CHECK_INT(u, rows[k].ru ? 77 : rows[k].u);
	}
}

TEST(refused_with_its_place)
{
	static const struct {
		const char *text;
		const char *place;
	} rows[] = {
		{"", "line 1, column 1: unexpected end of the text"},
		{"   ", "line 1, column 4: unexpected end of the text"},
		{"{", "line 1, column 2: unexpected end of the text"},
		{"{\"a\":", "line 1, column 6: unexpected end of the text"},
		{"\"abc", "line 1, column 5: unexpected end of the text"},
		{"[1,2", "line 1, column 5: unexpected end of the text"},
		{"tru", "line 1, column 4: unexpected end of the text"},
		{"{}x", "line 1, column 3:"},
		{"{} {}", "line 1, column 4:"},
		{"{\n  \"a\": 1,\n  b: 2\n}", "line 3, column 3:"},
		{"{\"a\" 1}", "line 1, column 6:"},
		{"[1 2]", "line 1, column 4:"},
		{"[1,]", "line 1, column 4:"},
		{"{\"a\":1,}", "line 1, column 8:"},
		{"[tru]", "line 1, column 5:"},
		{"nul", "line 1, column 4:"},
		{"NaN", "line 1, column 1: unexpected character"},
		{"[Infinity]", "line 1, column 2: unexpected character"},
		{"-Infinity", "line 1, column 2: malformed number"},
		{"TRUE", "line 1, column 1:"},
		{"'a'", "line 1, column 1:"},
		{"{'a':1}", "line 1, column 2:"},
		{"// c\n1", "line 1, column 1:"},
		{"/* c */ 1", "line 1, column 1:"},
		{"[\"\xc3\xa9\xc3\xa9\", x]", "line 1, column 8:"},                      /* characters, not bytes */
		{"\"a\nb\"", "line 1, column 3: control character in a string"},
		{"\"a\tb\"", "line 1, column 3: control character in a string"},
		{"\"\\x\"", "line 1, column 3:"},
		{"\"\\u12g4\"", "line 1, column"},
		{"\"\xff\"", "line 1, column"},
		{"\"\xc0\x80\"", "line 1, column"},                                      /* overlong NUL */
		{"\"\xed\xa0\x80\"", "line 1, column"},                                  /* a surrogate */
		{"01", "line 1, column"},
		{"-", "line 1, column"},
		{"+1", "line 1, column 1:"},
		{".5", "line 1, column 1:"},
		{"0x10", "line 1, column 2:"},
		{"1e", "line 1, column"},
		{"1.", "line 1, column"},
		{"--1", "line 1, column"},
		{"1-1", "line 1, column"},
		{"18446744073709551616", "line 1, column"},
		{"-9223372036854775809", "line 1, column"},
		{"\xef\xbb\xbf{}", "line 1, column 1:"},
		{"{\"a\\u0000b\":1}", "line 1, column 12: NUL character in the key"},
		{"{\"a\\u0000b\" \n :1}", "line 2, column 2: NUL character in the key"},
		{"]", "line 1, column 1:"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct error err = {0};
		struct json *j = (struct json *)&err;

		ROW(rows[i].text);
		CHECK_INT(json_parse(rows[i].text, strlen(rows[i].text), "config.json", &j, &err), -EINVAL);
		CHECK(j == (struct json *)&err); /* untouched */
		CHECK_INT(err.kind, ERROR_INVALID);
		CHECK_CONTAINS(err.msg, "config.json: line ");
		CHECK_CONTAINS(err.msg, rows[i].place);
	}
}

TEST(nul_bytes_do_not_end_the_text)
{
	struct error err = {0};
	struct json *j = NULL;

	CHECK_INT(json_parse("{}\0{", 4, "d", &j, &err), -EINVAL);
	CHECK_CONTAINS(err.msg, "column 3: NUL byte");
	CHECK_INT(json_parse("[\"a\0b\"]", 7, "d", &j, &err), -EINVAL);
	CHECK_CONTAINS(err.msg, "column 4: control character");
	CHECK_INT(json_parse("1\0", 2, "d", &j, &err), -EINVAL);
}

TEST(length_is_respected)
{
	struct error err = {0};
	autojson struct json *j = NULL;
	int64_t v;

	CHECK_INT(json_parse("1234", 2, "d", &j, &err), 0);
	CHECK_INT(json_i64(j, &v), 0);
	CHECK_INT(v, 12);
}

TEST(blanks_around_are_fine)
{
	autojson struct json *j = parse(" \r\n\t{ \"a\" : [ ] } \n\n");

	CHECK_INT(json_len(j), 1);
}

TEST(null_is_a_document)
{
	struct error err = {0};
	struct json *j = (struct json *)&err;

	CHECK_INT(json_parse("null", 4, "d", &j, &err), 0);
	CHECK(j == NULL);
}

TEST(depth_is_bounded)
{
	struct error err = {0};
	struct json *j = NULL;
	char text[2 * JSON_MAX_DEPTH + 8];

	for (int depth = JSON_MAX_DEPTH - 1; depth <= JSON_MAX_DEPTH + 2; depth++) {
		int r;

		memset(text, '[', (size_t)depth);
		memset(text + depth, ']', (size_t)depth);
		r = json_parse(text, 2 * (size_t)depth, "d", &j, &err);
		if (depth < JSON_MAX_DEPTH) {
			CHECK_INT(r, 0);
			json_unref(j);
		} else if (depth > JSON_MAX_DEPTH) {
			CHECK_INT(r, -EINVAL);
			CHECK_CONTAINS(err.msg, "deep");
		} else if (r == 0) {
			json_unref(j);
		}
	}
}

TEST(the_last_of_equal_keys_counts)
{
	autojson struct json *j = parse("{\"a\":1,\"b\":2,\"a\":3}");
	int64_t v = 0;

	CHECK_INT(json_len(j), 2);
	CHECK_INT(json_i64(json_get(j, "a"), &v), 0);
	CHECK_INT(v, 3);
}

/* Members k0, k1, … with their numbers, in an order that is not the keys'. */
static struct json *many(size_t count, struct buf *text)
{
	buf_reset(text);
	CHECK(buf_putc(text, '{'));
	for (size_t i = 0; i < count; i++)
		CHECK(buf_printf(text, "%s\"k%zu\":%zu", i ? "," : "", i * 7919 % count, i));
	CHECK(buf_putc(text, '}'));
	return parse(buf_str(text));
}

TEST(every_member_of_an_object_of_any_size_is_found)
{
	static const size_t counts[] = {0, 1, 15, 16, 17, 18, 100, 5000};
	autobuf struct buf text = BUF_INIT(1u << 20);
	char key[32];
	int64_t v;

	for (size_t k = 0; k < ARRAY_SIZE(counts); k++) {
		autojson struct json *j = many(counts[k], &text);
		autojson struct json *o = json_new_object();

		CHECK_INT(json_len(j), counts[k]);
		for (size_t i = 0; i < counts[k]; i++) {
			(void)snprintf(key, sizeof(key), "k%zu", i * 7919 % counts[k]);
			json_set(o, key, json_new_u64(i));
		}
		CHECK_INT(json_len(o), counts[k]);
		for (size_t i = 0; i < counts[k]; i++) {
			(void)snprintf(key, sizeof(key), "k%zu", i * 7919 % counts[k]);
			CHECK(json_i64(json_get(j, key), &v) == 0 && v == (int64_t)i);
			CHECK(json_i64(json_get(o, key), &v) == 0 && v == (int64_t)i);
		}
		CHECK(json_get(j, "k") == NULL);
		CHECK(json_get(j, "k99999") == NULL);
		CHECK(json_get(o, "") == NULL);
	}
}

TEST(the_last_of_equal_keys_counts_among_many)
{
	autobuf struct buf text = BUF_INIT(1u << 16);
	autobuf struct buf out = BUF_INIT(1u << 16);
	autojson struct json *j = NULL;
	int64_t v = 0;

	/* k0 … k39, three times; and one of them whose first value is the last that was read before many became an index. */
	CHECK(buf_putc(&text, '{'));
	for (int i = 0; i < 120; i++)
		CHECK(buf_printf(&text, "%s\"k%d\":%d", i ? "," : "", i % 40, i));
	CHECK(buf_puts(&text, ",\"k3\":null}"));
	j = parse(buf_str(&text));
	CHECK_INT(json_len(j), 40);
	CHECK(json_i64(json_get(j, "k0"), &v) == 0 && v == 80);
	CHECK(json_i64(json_get(j, "k39"), &v) == 0 && v == 119);
	CHECK(json_get(j, "k3") == NULL);
	CHECK_CONTAINS(written(j, false, &out), "{\"k0\":80,\"k1\":81,\"k2\":82,\"k3\":null,\"k4\":84,");
}

TEST(half_a_surrogate_pair_is_replaced)
{
	static const char *const rows[][2] = {
		{"\"\\ud800\"", "\xef\xbf\xbd"},
		{"\"\\udc00\"", "\xef\xbf\xbd"},
		{"\"\\ud800x\"", "\xef\xbf\xbdx"},
		{"\"\\ud800\\u0041\"", "\xef\xbf\xbd"
				       "A"},
		{"\"\\ud800\\ud83d\\ude00\"", "\xef\xbf\xbd\xf0\x9f\x98\x80"},
		{"\"\\udbff\\udfff\"", "\xf4\x8f\xbf\xbf"},
		{"\"\\u07ff\\uFFFF\"", "\xdf\xbf\xef\xbf\xbf"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		autojson struct json *j = parse(rows[i][0]);

		ROW(rows[i][0]);
		CHECK_STR(json_str(j), rows[i][1]);
	}
}

TEST(a_document_can_be_added_to)
{
	autobuf struct buf out = BUF_INIT(4096);
	autojson struct json *j = parse("{\"a\":[1],\"o\":{\"x\":1}}");
	autojson struct json *other = parse("{\"deep\":{\"er\":[true]}}");
	struct json *elsewhere = json_new_array();

	json_push(json_get(j, "a"), json_new_i64(2));
	json_push(json_get(j, "a"), json_ref(json_get(j, "o"))); /* its own */
	json_set(json_get(j, "o"), "x", json_new_str("replaced"));
	json_set(j, "other", json_ref(json_get(other, "deep")));
	json_push(elsewhere, json_ref(json_get(other, "deep")));
	json_set(j, "elsewhere", elsewhere);
	json_unref(other);
	other = NULL;
	CHECK_STR(written(j, false, &out),
		  "{\"a\":[1,2,{\"x\":\"replaced\"}],\"o\":{\"x\":\"replaced\"},\"other\":{\"er\":[true]},"
		  "\"elsewhere\":[{\"er\":[true]}]}");
	for (int i = 0; i < 40; i++) {
		char key[16];

		(void)snprintf(key, sizeof(key), "n%d", i);
		json_set(j, key, json_new_i64(i));
		json_set(j, key, json_new_i64(i + 1));
	}
	CHECK_INT(json_len(j), 44);
	CHECK_STR(written(json_get(j, "n39"), false, &out), "40");
}

TEST(a_member_outlives_its_document)
{
	struct json *j = parse("{\"a\":{\"b\":\"text\"}}");
	autojson struct json *a = json_ref(json_get(j, "a"));

	json_unref(j);
	CHECK_STR(json_str(json_get(a, "b")), "text");
}

TEST(values_are_bounded)
{
	const size_t len = 4u << 20;
	autofree char *text = mem_alloc(len);
	struct error err = {0};
	struct json *j = NULL;

	memset(text, ',', len);
	for (size_t i = 1; i < len; i += 2)
		text[i] = '1';
	text[0] = '[';
	text[len - 1] = ']';
	text[len - 2] = '1';
	text[len - 3] = '1';
	CHECK_INT(json_parse(text, len, "d", &j, &err), -EINVAL);
	CHECK_CONTAINS(err.msg, "more values than are accepted");
}

TEST(reals_are_written_as_they_were_read)
{
	autobuf struct buf out = BUF_INIT(256);
	autojson struct json *j = parse("[1.50,1e3,-0.0,1E+2,-0]");

	CHECK_STR(written(j, false, &out), "[1.50,1e3,-0.0,1E+2,0]");
}

TEST(strings_with_escapes)
{
	autojson struct json *j =
		parse("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\", \"\\u00e9\\ud83d\\ude00\", \"a\\u0000b\", \"NaN I\"]");

	CHECK_STR(json_str(json_at(j, 0)), "\"\\/\b\f\n\r\t");
	CHECK_STR(json_str(json_at(j, 1)), "\xc3\xa9\xf0\x9f\x98\x80");
	CHECK_INT(json_type(json_at(j, 2)), JSON_STRING);
	CHECK(json_str(json_at(j, 2)) == NULL); /* holds NUL */
	CHECK_STR(json_str(json_at(j, 3)), "NaN I");
}

struct seen {
	char keys[16];
	size_t count;
};

static int note_key(const char *key, struct json *value, void *arg)
{
	struct seen *s = arg;
	int64_t v = 0;

	s->keys[s->count++] = key[0];
	return json_i64(value, &v) == 0 && v == 9 ? 42 : 0;
}

TEST(each_in_document_order)
{
	autojson struct json *j = parse("{\"z\":1,\"a\":null,\"m\":3}");
	autojson struct json *stop = parse("{\"z\":1,\"a\":9,\"m\":3}");
	struct seen s = {0};
	struct seen t = {0};

	CHECK_INT(json_each(j, note_key, &s), 0);
	CHECK_STR(s.keys, "zam");
	CHECK_INT(json_each(stop, note_key, &t), 42);
	CHECK_STR(t.keys, "za");
	CHECK_INT(json_each(NULL, note_key, &t), 0);
}

TEST(building_and_writing)
{
	autobuf struct buf out = BUF_INIT(4096);
	autojson struct json *o = json_new_object();
	struct json *a = json_new_array();

	json_set_str(o, "path", "/a/b");
	json_set_str(o, "none", NULL);
	json_set(o, "max", json_new_u64(UINT64_MAX));
	json_set(o, "min", json_new_i64(INT64_MIN));
	json_set(o, "yes", json_new_bool(true));
	json_set(o, "nil", json_new_str(NULL));
	json_set(o, "r", json_new_real(0.1));
	json_push(a, json_new_i64(1));
	json_push(a, json_new_real(NAN));
	json_set(o, "list", a);
	json_set(o, "again", json_ref(a));
	json_set(o, "yes", json_new_bool(false));
	CHECK_STR(written(o, false, &out),
		  "{\"path\":\"/a/b\",\"max\":18446744073709551615,\"min\":-9223372036854775808,\"yes\":false,"
		  "\"nil\":null,\"r\":0.1,\"list\":[1,null],\"again\":[1,null]}");
	CHECK_STR(written(NULL, false, &out), "null");
}

TEST(written_text_is_pretty)
{
	autobuf struct buf out = BUF_INIT(4096);
	autojson struct json *j = parse("{\"a\":[1,{\"b\":\"x\"}],\"e\":[],\"o\":{}}");

	CHECK_STR(written(j, true, &out), "{\n"
					  "  \"a\": [\n"
					  "    1,\n"
					  "    {\n"
					  "      \"b\": \"x\"\n"
					  "    }\n"
					  "  ],\n"
					  "  \"e\": [],\n"
					  "  \"o\": {}\n"
					  "}");
}

TEST(written_text_is_escaped)
{
	autobuf struct buf out = BUF_INIT(4096);
	autojson struct json *s = json_new_str("a\"\\\n\x01\x1f/\xc3\xa9");

	autojson struct json *raw = json_new_str("a\xff\xed\xa0\x80z");

	CHECK_STR(written(raw, false, &out), "\"a\\ufffd\\ufffd\\ufffd\\ufffdz\"");
	CHECK_STR(written(s, false, &out), "\"a\\\"\\\\\\n\\u0001\\u001f/\xc3\xa9\"");
}

TEST(writing_is_bounded)
{
	autobuf struct buf out = BUF_INIT(5);
	autojson struct json *s = json_new_str("abcd");

	CHECK(!json_write(s, false, &out));
	CHECK(out.failed);
}

TEST(round_trip_of_reals)
{
	static const double rows[] = {0.1, 1.0 / 3, 1e300, -2.5, 5e-324, 123456789.125};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		autobuf struct buf out = BUF_INIT(64);
		autojson struct json *j = json_new_real(rows[i]);
		autojson struct json *back = parse(written(j, false, &out));

		ROW(buf_str(&out));
		CHECK(json_real(back) == rows[i]);
	}
}
