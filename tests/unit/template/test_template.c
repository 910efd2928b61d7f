/* SPDX-License-Identifier: Apache-2.0 */
/* Templates: what they print is what Go's text/template (1.26) printed for the same value, and what is said to those that are wrong. */
#include "template/template.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "test.h"

/* clang-format off */
static const char data[] =
	"{\"Id\":\"sha256:abc\","
	"\"Name\":\"web\","
	"\"Size\":12345,"
	"\"Ratio\":1.5,"
	"\"Big\":1e21,"
	"\"Small\":0.000012,"
	"\"Up\":true,"
	"\"Down\":false,"
	"\"Nil\":null,"
	"\"Tags\":[\"a:1\","
	"\"b:2\"],"
	"\"Nums\":[3,1,2],"
	"\"Empty\":[],"
	"\"Labels\":{\"b.x\":\"2\","
	"\"a\":\"1\","
	"\"Z\":\"3\"},"
	"\"None\":{},"
	"\"Config\":{\"Env\":[\"A=1\","
	"\"B=2\"],"
	"\"Labels\":{\"k\":\"v\"},"
	"\"Cmd\":null},"
	"\"Rows\":[{\"N\":\"x\","
	"\"V\":1},{\"N\":\"y\","
	"\"V\":2}],"
	"\"Utf\":\"héllo wörld\","
	"\"Quote\":\"a\\\"b<c>&\\n\","
	"\"Zero\":0,"
	"\"Str\":\"\"}";

static const struct {
	const char *text, *out;
} as_go[] = {
	{"plain text", "plain text"},
	{"{{.Id}}", "sha256:abc"},
	{"{{ .Id }}", "sha256:abc"},
	{"{{.Config.Labels.k}}", "v"},
	{"{{.Size}} {{.Ratio}} {{.Big}} {{.Small}}", "12345 1.5 1e+21 1.2e-05"},
	{"{{.Up}} {{.Down}} {{.Nil}}", "true false <no value>"},
	{"{{.Tags}} {{.Nums}} {{.Empty}} {{.Labels}} {{.None}}", "[a:1 b:2] [3 1 2] [] map[Z:3 a:1 b.x:2] map[]"},
	{"{{.Config}}", "map[Cmd:<nil> Env:[A=1 B=2] Labels:map[k:v]]"},
	{"{{.Rows}}", "[map[N:x V:1] map[N:y V:2]]"},
	{"{{json .Id}} {{json .Tags}} {{json .Size}} {{json .Nil}} {{json .Up}}", "\"sha256:abc\" [\"a:1\",\"b:2\"] 12345 null true"},
	{"{{json .Config.Env}}", "[\"A=1\",\"B=2\"]"},
	{"{{json .Quote}}", "\"a\\\"b<c>&\\n\""},
	{"{{json .Labels | len}}", "27"},
	{"{{.Name | upper}} {{upper .Name}} {{.Name | printf \"%s-%s\" \"x\"}}", "WEB WEB x-web"},
	{"{{len .Tags}} {{len .Name}} {{len .Labels}} {{len .Empty}}", "2 3 3 0"},
	{"{{index .Tags 0}} {{index .Tags 1}}", "a:1 b:2"},
	{"{{index .Labels \"a\"}} {{index .Labels \"b.x\"}}", "1 2"},
	{"{{index .Config \"Labels\" \"k\"}}", "v"},
	{"{{(index .Rows 0).N}}", "x"},
	{"{{(index .Rows 1).V}}", "2"},
	{"{{index .Rows 0 \"N\"}}", "x"},
	{"{{index .Name 0}}", "119"},
	{"{{if .Up}}yes{{end}}", "yes"},
	{"{{if .Down}}yes{{else}}no{{end}}", "no"},
	{"{{if .Down}}1{{else if .Up}}2{{else}}3{{end}}", "2"},
	{"{{if .Down}}1{{else if .Zero}}2{{else}}3{{end}}", "3"},
	{"{{if .Zero}}t{{else}}f{{end}}{{if .Str}}t{{else}}f{{end}}{{if .Empty}}t{{else}}f{{end}}{{if .None}}t{{else}}f{{end}}{{if .Nil}}t{{else}}f{{end}}{{if .Tags}}t{{else}}f{{end}}{{if .Ratio}}t{{else}}f{{end}}", "ffffftt"},
	{"{{range .Tags}}{{.}},{{end}}", "a:1,b:2,"},
	{"{{range $i, $t := .Tags}}{{$i}}={{$t}};{{end}}", "0=a:1;1=b:2;"},
	{"{{range $t := .Tags}}[{{$t}}]{{end}}", "[a:1][b:2]"},
	{"{{range $k, $v := .Labels}}{{$k}}={{$v}} {{end}}", "Z=3 a=1 b.x=2 "},
	{"{{range .Labels}}{{.}} {{end}}", "3 1 2 "},
	{"{{range .Empty}}x{{else}}none{{end}}", "none"},
	{"{{range .None}}x{{else}}none{{end}}", "none"},
	{"{{range .Rows}}{{.N}}:{{.V}} {{end}}", "x:1 y:2 "},
	{"{{range $i, $r := .Rows}}{{if $i}}, {{end}}{{$r.N}}{{end}}", "x, y"},
	{"{{range .Rows}}{{$.Name}}/{{.N}} {{end}}", "web/x web/y "},
	{"{{range .Tags}}{{if eq . \"a:1\"}}{{continue}}{{end}}{{.}}{{end}}", "b:2"},
	{"{{range .Nums}}{{if eq . 1}}{{break}}{{end}}{{.}}{{end}}", "3"},
	{"{{range 3}}{{.}}{{end}}", "012"},
	{"{{range $i := 2}}<{{$i}}>{{end}}", "<0><1>"},
	{"{{with .Config}}{{.Env}}{{end}}", "[A=1 B=2]"},
	{"{{with .Str}}x{{else}}empty{{end}}", "empty"},
	{"{{with .Str}}x{{else with .Name}}{{.}}{{else}}no{{end}}", "web"},
	{"{{with $x := .Name}}{{$x}}{{.}}{{end}}", "webweb"},
	{"{{$x := .Name}}{{$x}}", "web"},
	{"{{$x := 1}}{{$x = 2}}{{$x}}", "2"},
	{"{{$x := 1}}{{if true}}{{$x = 3}}{{end}}{{$x}}", "3"},
	{"{{$x := 1}}{{if true}}{{$x := 3}}{{$x}}{{end}}{{$x}}", "31"},
	{"{{$x := .Config}}{{$x.Env}}{{$x.Labels.k}}", "[A=1 B=2]v"},
	{"{{$x := .Config}}{{$x := $x.Labels}}{{$x.k}}", "v"},
	{"{{$.Name}}", "web"},
	{"{{$}}{{/* no */}}", "map[Big:1e+21 Config:map[Cmd:<nil> Env:[A=1 B=2] Labels:map[k:v]] Down:false Empty:[] Id:sha256:abc Labels:map[Z:3 a:1 b.x:2] Name:web Nil:<nil> None:map[] Nums:[3 1 2] Quote:a\"b<c>&\n Ratio:1.5 Rows:[map[N:x V:1] map[N:y V:2]] Size:12345 Small:1.2e-05 Str: Tags:[a:1 b:2] Up:true Utf:héllo wörld Zero:0]"},
	{"a {{- .Name -}} b", "awebb"},
	{"a {{- /* comment */ -}} b", "ab"},
	{"a{{/* comment */}}b", "ab"},
	{"{{- .Name}}  ", "web  "},
	{"{{.Name -}}   x", "webx"},
	{"{{eq .Name \"web\"}} {{eq .Name \"x\" \"web\"}} {{eq .Size 12345}} {{eq .Up true}}", "true true true true"},
	{"{{ne .Name \"x\"}} {{ne .Size 1}}", "true true"},
	{"{{lt 1 2}} {{le 2 2}} {{gt 1 2}} {{ge 2 2}} {{lt \"a\" \"b\"}} {{lt 1.5 2.5}}", "true true false true true true"},
	{"{{eq .Nil nil}} {{eq 1 1 2}} {{eq 3 1 2}}", "true true false"},
	{"{{and .Up .Name}} {{and .Down .Name}} {{or .Down .Name}} {{or .Down .Zero}} {{not .Up}} {{not .Down}}", "web false web 0 false true"},
	{"{{and 1 0 (index .Tags 9)}}", "0"},
	{"{{or 1 (index .Tags 9)}}", "1"},
	{"{{.Name | and .Up}} {{.Name | or .Down}}", "web web"},
	{"{{print .Name .Size}} {{print 1 2}} {{print \"a\" 1 2 \"b\"}} {{print}} {{print .Nil}}", "web12345 1 2 a1 2b  <nil>"},
	{"{{println .Name .Size 1}}x", "web 12345 1\nx"},
	{"{{printf \"%s|%10s|%-10s|%.2s\" .Name .Name .Name .Name}}", "web|       web|web       |we"},
	{"{{printf \"%d|%5d|%-5d|%05d|%+d|%x|%X|%o|%b\" 42 42 42 42 42 42 42 42 42}}", "42|   42|42   |00042|+42|2a|2A|52|101010"},
	{"{{printf \"%v %v %v %v %v\" .Name .Size .Up .Tags .Labels}}", "web 12345 true [a:1 b:2] map[Z:3 a:1 b.x:2]"},
	{"{{printf \"%q %q\" .Name .Quote}}", "\"web\" \"a\\\"b<c>&\\n\""},
	{"{{printf \"%t %t\" .Up .Down}}", "true false"},
	{"{{printf \"%f %.2f %8.3f %e %g\" 1.5 1.5 1.5 1.5 1.5}}", "1.500000 1.50    1.500 1.500000e+00 1.5"},
	{"{{printf \"%d\" .Name}} {{printf \"%s\" .Size}} {{printf \"%d\"}} {{printf \"x\" 1}} {{printf \"%s %s\" \"a\"}}", "%!d(string=web) %!s(int=12345) %!d(MISSING) x%!(EXTRA int=1) a %!s(MISSING)"},
	{"{{printf \"100%%\"}} {{printf \"%z\" 1}} {{printf \"%\"}}", "100% %!z(int=1) %!(NOVERB)"},
	{"{{printf \"%x %X\" \"hi\" \"hi\"}}", "6869 6869"},
	{"{{printf \"%s\" .Nil}} {{printf \"%v\" .Nil}}", "%!s(<nil>) <nil>"},
	{"{{printf \"%5t|%-7t|\" true false}}", " true|false  |"},
	{"{{printf \"%6v|%-6v|%06d\" 42 42 -42}}", "    42|42    |-00042"},
	{"{{printf \"%#x %+v\" 255 12}}", "0xff 12"},
	{"{{printf \"%s\" .Tags}}", "[a:1 b:2]"},
	{"{{join .Tags \", \"}} {{join .Empty \",\"}}", "a:1, b:2 "},
	{"{{split \"a,b\" \",\"}} {{len (split \"\" \",\")}} {{split \"abc\" \"\"}}", "[a b] 1 [a b c]"},
	{"{{lower \"ABC\"}} {{upper \"abc\"}} {{title \"hello world-wide web\"}} {{trim \"  x \"}}", "abc ABC Hello World-Wide Web x"},
	{"{{pad \"x\" 2 3}}|{{pad \"\" 2 3}}|", "  x   ||"},
	{"{{truncate .Name 2}} {{truncate .Name 10}} {{truncate .Name 3}}", "we web web"},
	{"{{slice .Name 1}} {{slice .Name 1 2}} {{slice .Tags 1}} {{slice .Tags 0 1}} {{slice .Name}}", "eb e [b:2] [a:1] web"},
	{"{{\"quoted \\\"string\\\" \\t \\u00e9 \\x41 \\101\"}}", "quoted \"string\" \t é A A"},
	{"{{`raw \"string\" \\d`}}", "raw \"string\" \\d"},
	{"{{1}} {{-3}} {{0x1f}} {{1_000}} {{1.5}} {{1e3}} {{'a'}} {{0b101}} {{0o17}} {{017}} {{+5}}", "1 -3 31 1000 1.5 1000 97 5 15 15 5"},
	{"{{true}} {{false}}", "true false"},
	{"a\\tb\\nc", "a\tb\nc"},
	{"{{.Name}}\\t{{.Size}}", "web\t12345"},
	{"{{.Utf | len}} {{.Utf | printf \"%8.3s|\"}} {{truncate .Name 1}}", "13      hél| w"},
	{"{{if and .Up (eq .Name \"web\")}}both{{end}}", "both"},
	{"{{if or (eq .Name \"a\") (gt .Size 1000)}}one{{end}}", "one"},
	{"{{if not (eq .Name \"a\")}}n{{end}}", "n"},
	{"{{.Tags | len | printf \"%03d\"}}", "002"},
	{"{{(.Config).Env}} {{((.Name))}}", "[A=1 B=2] web"},
	{"{{range $i, $r := .Rows}}{{range $k, $v := $r}}{{$i}}{{$k}}{{$v}} {{end}}{{end}}", "0Nx 0V1 1Ny 1V2 "},
	{"{{len \"héllo\"}}", "6"},
	{"{{ .Name | printf \"%s %s\" .Id | upper }}", "SHA256:ABC WEB"},
	{"{{with .Rows}}{{range .}}{{.V}}{{end}}{{end}}", "12"},
	{"{{- range .Tags -}}  {{.}}  {{- end -}}", "a:1b:2"},
	{"{{if .Name}} {{.Name}} {{end}}x", " web x"},
	{"{{print (len .Tags) \"x\"}}", "2x"},
	{"{{eq \"a\" \"b\" | not}}", "true"},
	{"{{.Ratio | printf \"%.1f\"}}", "1.5"},
	{"{{print 1.0}} {{print 100000000000000000000.0}} {{print 1e21}} {{print 0.0001}} {{print 0.00001}} {{print 123456789.125}}", "1 1e+20 1e+21 0.0001 1e-05 1.23456789125e+08"},
	{"{{- 3}}", "3"},
	{"{{-3 -}} x", "-3x"},
	{"{{if .Up -}}   a   {{- else -}} b {{- end}}", "a"},
	{"x{{\"}}\"}}y", "x}}y"},
	{"{{`{{`}}{{\"{{\"}}", "{{{{"},
	{"{{range .Tags}}{{end}}z", "z"},
	{"{{$a := .Name}}{{$b := $a}}{{$b}}", "web"},
	{"{{if $x := .Name}}{{$x}}{{end}}", "web"},
	{"{{if $x := .Str}}a{{else}}[{{$x}}]{{end}}", "[]"},
	{"{{range $i, $e := .Nums}}{{if lt $i 2}}{{$e}}{{end}}{{end}}", "31"},
};

/* Part of the message. */
static const struct {
	const char *text, *message;
} wrong[] = {
	{"{{.}}{{if false}}", "the block has no {{end}}"},
	{"{{end}}", "without a block"},
	{"{{else}}", "without a block"},
	{"{{if}}x{{end}}", "expected a field"},
	{"{{if .Up}}x", "no {{end}}"},
	{"{{range}}x{{end}}", "expected a field"},
	{"{{.Name", "has no end"},
	{"{{.Name}", "unexpected \"}\""},
	{"{{nope .Name}}", "no function \"nope\""},
	{"{{.Name .Id}}", "only functions take"},
	{"{{\"a\" | \"b\"}}", "expected a function behind |"},
	{"{{nil}}", "nil is no command"},
	{"{{$nope}}", "variable $nope is not set"},
	{"{{$x := 1}}{{$x = }}", "expected a field"},
	{"{{len}}", "len takes 1 argument, here it has 0"},
	{"{{len 1 2}}", "here it has 2"},
	{"{{len 3}}", "len needs"},
	{"{{index .Tags 9}}", "out of range: there are 2"},
	{"{{index .Tags -1}}", "out of range"},
	{"{{index .Tags \"a\"}}", "whole number"},
	{"{{index .Size 0}}", "index needs"},
	{"{{eq 1 \"a\"}}", "can't compare"},
	{"{{eq .Tags .Tags}}", "can't compare"},
	{"{{lt true false}}", "can't compare"},
	{"{{.Name.Sub}}", "field Sub in a string"},
	{"{{.Nil.Sub}}", "nothing that could"},
	{"{{range .Name}}x{{end}}", "range needs"},
	{"{{break}}", "outside of a range"},
	{"{{if .Up}}{{else}}{{else}}{{end}}", "second else"},
	{"{{\"abc}}", "string has no end"},
	{"{{\"a\\qb\"}}", "no escape"},
	{"{{'ab'}}", "one character"},
	{"{{12ab}}", "expected a number"},
	{"{{| .Name}}", "expected a field"},
	{"{{(.Name}}", "expected ), got \"}}\""},
	{"{{.Name)}}", "expected }}, got \")\""},
	{"{{}}", "expected something"},
	{"{{/* open }}", "no end"},
	{"{{ /* spaced */ }}", "unexpected \"/\""},
	{"{{print \"a\"\"b\"}}", "expected a blank"},
	{"{{.Name%}}", "unexpected \"%\""},
	{"{{upper 3}}", "upper needs a string"},
	{"{{slice .Name 5}}", "out of range"},
	{"{{slice .Name 2 1}}", "out of range"},
	{"{{range $a, $b, $c := .Tags}}{{end}}", "expected"},
	{"{{range $a, := .Tags}}{{end}}", "expected a variable"},
	{"{{with}}{{end}}", "expected a field"},
	{"{{end", "without a block"},
	{"{{printf 3}}", "printf needs a string"},
	{"{{not}}", "not takes"},
};
/* clang-format on */

static struct json *parse(const char *text)
{
	struct error err = {};
	struct json *j = NULL;

	if (json_parse(text, strlen(text), "data", &j, &err) < 0)
		printf("%s\n", err.msg);
	return j;
}

/* The output, or with "!" in front the message. */
static char *render(const char *text, struct json *value, bool headers)
{
	autobuf struct buf out = BUF_INIT(1024 * 1024);
	autotemplate struct template *t = NULL;
	struct error err = {};
	int r = template_parse(text, &t, &err);

	if (r == 0)
		r = headers ? template_run_headers(t, value, &out, &err) : template_run(t, value, &out, &err);
	if (r < 0)
		return mem_printf("!%s|%s", err.msg, err.hint);
	return mem_strdup(buf_str(&out));
}

TEST(as_go_prints)
{
	autojson struct json *value = parse(data);

	for (size_t i = 0; i < ARRAY_SIZE(as_go); i++) {
		autofree char *got = render(as_go[i].text, value, false);

		ROW(as_go[i].text);
		CHECK_STR(got, as_go[i].out);
	}
}

TEST(what_is_wrong)
{
	autojson struct json *value = parse(data);

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		autofree char *got = render(wrong[i].text, value, false);

		ROW(wrong[i].text);
		CHECK(got[0] == '!');
		CHECK_CONTAINS(got, wrong[i].message);
		CHECK_CONTAINS(got, "column ");
	}
}

TEST(our_own)
{
	static const struct {
		const char *data, *text, *out;
	} rows[] = {
		{"\"x\"", "{{.}}", "x"},
		{"null", "{{.}} {{json .}}", "<no value> null"},
		{"[1,[2,null],{\"b\":1,\"a\":null}]", "{{range .}}{{.}}{{end}}", "1[2 <nil>]map[a:<nil> b:1]"},
		{"[\"<a&b>\",\"/\"]", "{{json .}}", "[\"<a&b>\",\"/\"]"},
		{"{\"a\":{}}", "{{.a.b}}", "<no value>"},
		/* Labels: a map of strings has "" for what it has not, and a list that is null is empty. */
		{"{\"L\":{\"k\":\"v\"}}", "[{{index .L \"nope\"}}] {{.L.nope}}", "[] <no value>"},
		{"{\"L\":null}", "[{{index .L \"x\"}}]{{len .L}}{{range .L}}{{else}}none{{end}}{{join .L \",\"}}",
		 "[]0none"},
		{"{\"Names\":[\"a\",\"b\"]}", "{{.Names | join \",\"}} {{join (split \"a,b\" \",\") \"-\"}}",
		 "a,b a-b"},
		{"{\"A\":1}", "{{eq .A 1.0}}", "true"},
		{"{\"a\":1}", "{{truncate \"h\u00e9llo\" 2}}", "h"},
		{"{\"Name\":1,\"Nape\":2}", "{{.name}}", "!column 3: can't evaluate field name|did you mean .Name?"},
		{"{\"Name\":1,\"Size\":2}", "{{.Sizes}}", "!column 3: can't evaluate field Sizes|did you mean .Size?"},
		{"{\"Name\":1}", "x\n {{.Zzzzzzzz}}",
		 "!line 2, column 4: can't evaluate field Zzzzzzzz|'{{json .}}' shows which fields there are"},
		{"1", "{{uper .}}", "!column 3: there is no function \"uper\"|did you mean upper?"},
		{"1", "{{Name}}", "!column 3: there is no function \"Name\"|a field has a dot in front: .Name"},
		{"1", "{{template \"x\"}}", "!column 3: {{template}} is not supported: a format is one template|"},
		{"1", "{{range 1000000000}}{{end}}", "!column 9: too much work for a format|"},
		{"1", "{{$x := \"aaaaaaaa\"}}{{range 40}}{{$x = print $x $x}}{{end}}",
		 "!column 40: a string of more than 1048576 bytes|"},
		{"1", "{{range 99}}{{range 99}}{{range 99}}{{printf \"%4000d\" 1}}{{end}}{{end}}{{end}}",
		 "!column 39: too much work for a format|"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		autojson struct json *value = parse(rows[i].data);
		autofree char *got = render(rows[i].text, value, false);

		ROW(rows[i].text);
		CHECK_STR(got, rows[i].out);
	}
}

TEST(depth)
{
	autobuf struct buf text = BUF_INIT(100000);

	for (int i = 0; i < 1000; i++)
		buf_puts(&text, "{{if true}}");
	autofree char *blocks = render(buf_str(&text), NULL, false);
	CHECK_CONTAINS(blocks, "nested more than 64 deep");
	buf_reset(&text);
	buf_puts(&text, "{{");
	for (int i = 0; i < 1000; i++)
		buf_putc(&text, '(');
	autofree char *parens = render(buf_str(&text), NULL, false);
	CHECK_CONTAINS(parens, "nested more than 64 deep");
	buf_reset(&text);
	for (int i = 0; i < 70000; i++)
		buf_putc(&text, 'x');
	autofree char *length = render(buf_str(&text), NULL, false);
	CHECK_CONTAINS(length, "longer than 65536 bytes");
}

TEST(headers)
{
	autojson struct json *names = parse("{\"ID\":\"IMAGE ID\",\"Size\":\"SIZE\",\"Names\":\"NAMES\"}");
	autotemplate struct template *t = NULL;
	struct error err = {};

	CHECK_INT(template_parse("table {{.ID}}\\t{{.Size}}", &t, &err), 0);
	CHECK(template_is_table(t));
	autofree char *line =
		render("table {{.ID}}\\t{{lower .Size}}\\t{{join .Names \",\"}}\\t{{.Names | join \",\"}}{{.No}}",
		       names, true);
	CHECK_STR(line, "IMAGE ID\tSIZE\tNAMES\tNAMES");
	CHECK(template_uses(t, "ID") && !template_uses(t, "Names"));
	template_free(take_ptr(&t));
	CHECK_INT(template_parse("{{range .A}}{{.B}}{{end}}{{if (len $.C)}}{{end}}", &t, &err), 0);
	CHECK(!template_is_table(t));
	CHECK(template_uses(t, "A") && template_uses(t, "C") && !template_uses(t, "D"));
	template_free(take_ptr(&t));
	CHECK_INT(template_parse("{{json .}}", &t, &err), 0);
	CHECK(template_uses(t, "Anything"));
}
