/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON values as text. Numbers with a fraction are written as they were read; what is not UTF-8 becomes U+FFFD, as Go's
 * writer has it.
 */
#include <inttypes.h>
#include <string.h>

#include "base/json_value.h"
#include "base/str.h"

/* How a document is being written: pretty text breaks and indents its lines. */
struct writer {
	struct buf *out;
	bool pretty;
	size_t depth;
};

static void write_value(struct writer *w, const struct json *j);

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static void write_string(struct writer *w, const char *s, size_t len)
{
	static const char named[] = "\"\"\\\\\bb\ff\nn\rr\tt"; /* pairs: the character, its letter */

	(void)buf_putc(w->out, '"');
	for (size_t i = 0; i < len;) {
		const char *pair = NULL;
		size_t n = 0;

		while (i + n < len && is_plain((unsigned char)s[i + n]))
			n++;
		if (n) {
			(void)buf_add(w->out, s + i, n);
			i += n;
			continue;
		}
		n = str_utf8_char(s + i, len - i);
		for (size_t k = 0; k + 1 < sizeof(named) && !pair; k += 2)
			if (named[k] == s[i])
				pair = named + k;
		if (pair)
			(void)buf_printf(w->out, "\\%c", pair[1]);
		else if (n == 0 && s[i])
			(void)buf_puts(w->out, "\\ufffd"); /* no UTF-8: as Go writes it */
		else if ((unsigned char)s[i] < 0x20)
			(void)buf_printf(w->out, "\\u%04x", (unsigned char)s[i]);
		else
			(void)buf_add(w->out, s + i, n);
		i += n ? n : 1;
	}
	(void)buf_putc(w->out, '"');
}

static void write_break(struct writer *w)
{
	if (w->pretty)
		(void)buf_printf(w->out, "\n%*s", (int)(2 * w->depth), "");
}

static void write_container(struct writer *w, const struct json *j)
{
	const bool array = j->type == JSON_ARRAY;

	(void)buf_putc(w->out, array ? '[' : '{');
	w->depth++;
	for (uint32_t i = 0; i < j->count; i++) {
		if (i)
			(void)buf_putc(w->out, ',');
		write_break(w);
		if (!array) {
			write_string(w, j->members[i].key, strlen(j->members[i].key));
			(void)buf_puts(w->out, w->pretty ? ": " : ":");
		}
		write_value(w, array ? j->items[i] : j->members[i].value);
	}
	w->depth--;
	if (j->count)
		write_break(w);
	(void)buf_putc(w->out, array ? ']' : '}');
}

static void write_value(struct writer *w, const struct json *j)
{
	switch (json_type(j)) {
	case JSON_BOOL:
		(void)buf_puts(w->out, j->truth ? "true" : "false");
		break;
	case JSON_INT:
		(void)(j->negative ? buf_printf(w->out, "%" PRId64, j->i) : buf_printf(w->out, "%" PRIu64, j->u));
		break;
	case JSON_REAL:
		(void)buf_add(w->out, j->text, j->count);
		break;
	case JSON_STRING:
		write_string(w, j->text, j->count);
		break;
	case JSON_ARRAY:
	case JSON_OBJECT:
		write_container(w, j);
		break;
	default:
		(void)buf_puts(w->out, "null");
	}
}

bool json_write(const struct json *j, bool pretty, struct buf *out)
{
	struct writer w = {.out = out, .pretty = pretty};

	write_value(&w, j);
	return !out->failed;
}
