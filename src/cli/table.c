/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables for people: widths are known when all lines are. A column is as wide as its widest cell and three blanks, ten at least;
 * the last cell of a line is not filled up. That is how Docker's tables are made (Go's text/tabwriter with 10, 3).
 */
#include "cli/table.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

#define COLUMNS_MAX 64
#define WIDTH_MIN 10
#define GAP 3

struct table {
	struct strv *lines; /* owned; cells */
	size_t count;
};

struct table *table_new(void)
{
	return mem_zalloc(1, sizeof(struct table));
}

void table_free(struct table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->count; i++)
		strv_done(&t->lines[i]);
	free(t->lines);
	free(t);
}

void table_add(struct table *t, const char *text)
{
	autostrv struct strv cells = {0};
	struct strv *line = &VEC_PUSH(t->lines, t->count);

	*line = (struct strv){0};
	strv_split(&cells, text, '\t');
	for (size_t i = 0; i < cells.count && i < COLUMNS_MAX; i++)
		strv_push_take(line, str_neutral(cells.items[i]));
}

/* Characters; those that are two cells wide or none (emoji, accents by themselves) are counted as one. */
static size_t length(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

struct layout {
	size_t width[COLUMNS_MAX]; /* of the text */
	size_t floor[COLUMNS_MAX]; /* of the header */
	size_t count;
};

static struct layout measure(const struct table *t)
{
	struct layout l = {.count = 0};

	for (size_t i = 0; i < t->count; i++)
		for (size_t c = 0; c < t->lines[i].count; c++) {
			const size_t n = length(t->lines[i].items[c]);

			l.count = c + 1 > l.count ? c + 1 : l.count;
			l.width[c] = n > l.width[c] ? n : l.width[c];
			l.floor[c] = i == 0 ? n : l.floor[c];
		}
	return l;
}

static size_t filled(size_t text)
{
	return text + GAP > WIDTH_MIN ? text + GAP : WIDTH_MIN;
}

static size_t total(const struct layout *l)
{
	size_t sum = 0;

	for (size_t c = 0; c + 1 < l->count; c++)
		sum += filled(l->width[c]);
	return l->count ? sum + l->width[l->count - 1] : 0;
}

/* Take from the widest column that may still lose something, until the table fits. */
static void shrink(struct layout *l, size_t width)
{
	while (total(l) > width) {
		size_t widest = l->count;

		for (size_t c = 0; c < l->count; c++)
			if (l->width[c] > l->floor[c] && l->width[c] > WIDTH_MIN &&
			    (widest == l->count || l->width[c] > l->width[widest]))
				widest = c;
		if (widest == l->count)
			return;
		l->width[widest]--;
	}
}

static void write_cell(const char *s, size_t width, bool last, struct buf *out)
{
	const size_t have = length(s);
	const bool cut = have > width;
	size_t left = cut ? width - 1 : have;

	for (; *s; s++) {
		const bool starts = ((unsigned char)*s & 0xc0) != 0x80;

		if (starts && left == 0)
			break;
		left -= starts;
		buf_putc(out, *s);
	}
	if (cut)
		buf_puts(out, "…");
	for (size_t i = cut ? width : have; !last && i < filled(width); i++)
		buf_putc(out, ' ');
}

void table_write(const struct table *t, size_t width, struct buf *out)
{
	struct layout l = measure(t);

	if (width)
		shrink(&l, width);
	for (size_t i = 0; i < t->count; i++) {
		const struct strv *line = &t->lines[i];

		for (size_t c = 0; c < line->count; c++)
			write_cell(line->items[c], l.width[c], c + 1 == line->count, out);
		buf_putc(out, '\n');
	}
}
