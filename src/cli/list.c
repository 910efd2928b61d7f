/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows to standard output, as --format says. Tables wait for their last row; everything else is printed as it comes. Text from
 * images and registries is made harmless where a terminal would read it; a pipe gets the bytes as they are.
 */
#include "cli/list.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/table.h"
#include "kernel/pty.h"
#include "template/template.h"

#define OUTPUT_MAX ((size_t)256 * 1024 * 1024)

struct list {
	const struct list_kind *kind;
	struct template *template;
	struct table *table; /* NULL: lines */
	struct buf line;
};

static size_t terminal_width(void)
{
	uint16_t rows = 0;
	uint16_t columns = 0;

	return isatty(STDOUT_FILENO) && pty_get_size(STDOUT_FILENO, &rows, &columns) == 0 ? columns : 0;
}

void list_print(const char *text)
{
	if (!isatty(STDOUT_FILENO)) {
		(void)fputs(text, stdout);
		return;
	}
	while (*text) {
		const size_t len = strcspn(text, "\n\t");
		autofree char *part = mem_strndup(text, len);
		autofree char *fit = str_neutral(part);

		(void)fputs(fit, stdout);
		if (text[len])
			(void)putchar(text[len]);
		text += len + (text[len] != '\0');
	}
}

static int start_table(struct list *l, struct error *err)
{
	autojson struct json *headers = json_new_object();

	l->table = table_new();
	for (const struct list_field *f = l->kind->fields; f->name; f++)
		json_set(headers, f->name, json_new_str(f->header));
	if (template_run_headers(l->template, headers, &l->line, err) < 0)
		return error_wrap(err, "--format");
	table_add(l->table, buf_str(&l->line));
	return 0;
}

int list_new(const struct list_kind *kind, const char *format, bool quiet, struct list **ret, struct error *err)
{
	autolist struct list *l = mem_zalloc(1, sizeof(*l));
	const char *text = format;

	l->kind = kind;
	l->line = BUF_INIT(OUTPUT_MAX);
	if (!format || !*format || str_eq(format, "table"))
		text = quiet ? kind->quiet : kind->table;
	else if (str_eq(format, "json"))
		text = "{{json .}}";
	if (template_parse(text, &l->template, err) < 0)
		return error_wrap(err, "--format");
	if (template_is_table(l->template) && start_table(l, err) < 0)
		return -err->code;
	*ret = take_ptr(&l);
	return 0;
}

int list_new_unless_own(const struct list_kind *kind, const char *format, struct list **ret, struct error *err)
{
	*ret = NULL;
	return !format || !*format || str_eq(format, "table") ? 0 : list_new(kind, format, false, ret, err);
}

void list_drop_heading(struct list *l)
{
	if (!l->table)
		return;
	table_free(l->table);
	l->table = table_new();
}

void list_free(struct list *l)
{
	if (!l)
		return;
	template_free(l->template);
	table_free(l->table);
	buf_done(&l->line);
	free(l);
}

bool list_uses(const struct list *l, const char *name)
{
	return template_uses(l->template, name);
}

static int copy_neutral(const char *key, struct json *value, void *arg)
{
	autofree char *text = json_type(value) == JSON_STRING ? str_neutral(json_str(value)) : NULL;

	json_set(arg, key, text ? json_new_str(text) : json_ref(value));
	return 0;
}

int list_add(struct list *l, struct json *row, struct error *err)
{
	autojson struct json *owned = row;
	autojson struct json *fit = NULL;

	if (l->table) {
		/* A tab or a line's end in a value would be taken for the table's own. */
		fit = json_new_object();
		(void)json_each(owned, copy_neutral, fit);
	}
	buf_reset(&l->line);
	if (template_run(l->template, l->table ? fit : owned, &l->line, err) < 0)
		return error_wrap(err, "--format");
	if (l->table) {
		table_add(l->table, buf_str(&l->line));
	} else {
		list_print(buf_str(&l->line));
		(void)putchar('\n');
	}
	return 0;
}

int list_end(struct list *l, struct error *err)
{
	(void)err;
	if (l->table) {
		buf_reset(&l->line);
		table_write(l->table, terminal_width(), &l->line);
		(void)fputs(buf_str(&l->line), stdout);
	}
	return 0;
}

/* Docker indents by four, the writer by two. */
static void print_indented(struct json *values)
{
	autobuf struct buf text = BUF_INIT(OUTPUT_MAX);
	autobuf struct buf wide = BUF_INIT(OUTPUT_MAX);

	(void)json_write(values, true, &text);
	for (const char *p = buf_str(&text); *p;) {
		const size_t blanks = strspn(p, " ");
		const size_t len = strcspn(p, "\n");

		buf_printf(&wide, "%*s", (int)(2 * blanks), "");
		buf_add(&wide, p + blanks, len - blanks);
		buf_putc(&wide, '\n');
		p += len + (p[len] == '\n');
	}
	list_print(buf_str(&wide));
}

int list_inspect(struct json *values, const char *format, struct error *err)
{
	autotemplate struct template *t = NULL;
	autobuf struct buf text = BUF_INIT(OUTPUT_MAX);

	if (!format || !*format) {
		print_indented(values);
		return 0;
	}
	if (str_eq(format, "json")) {
		(void)json_write(values, false, &text);
		list_print(buf_str(&text));
		(void)putchar('\n');
		return 0;
	}
	if (template_parse(format, &t, err) < 0)
		return error_wrap(err, "--format");
	for (size_t i = 0; i < json_len(values); i++) {
		buf_reset(&text);
		if (template_run(t, json_at(values, i), &text, err) < 0)
			return error_wrap(err, "--format");
		list_print(buf_str(&text));
		(void)putchar('\n');
	}
	return 0;
}
