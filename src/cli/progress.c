/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Progress on standard error: see progress.h. On a terminal the block of lines is written anew in place, at most ten times a
 * second: up to its first line, each line cut to the width that the terminal has now, what is left below erased. Layers that
 * are finished give up their lines when there are more than the terminal is high.
 */
#include "cli/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/mem.h"

#define REDRAW_NS (NS_PER_S / 10)
#define SPEED_NS (5 * NS_PER_S) /* the speed is that of so long */
#define SAMPLES 32
#define BAR_MAX 40
#define TEXT_MAX (1u << 16)

struct sample {
	int64_t ns;
	uint64_t bytes;
};

struct progress {
	struct engine_observer observer;
	enum progress_mode mode;
	const char *verb;
	bool utf8, colours;
	/* terminal */
	int lines;        /* written, above the cursor */
	int64_t drawn_ns; /* when */
	struct sample samples[SAMPLES];
	size_t sample_count;
	/* what was said, for lines and JSON */
	enum engine_layer_state *said; /* owned; of each layer */
	uint64_t *said_at;             /* owned; bytes */
	size_t said_count;
};

static const char *const state_words[ENGINE_LAYER_STATE_COUNT] = {
	[ENGINE_LAYER_QUEUED] = "Queued",
	[ENGINE_LAYER_WAITING] = "Waiting for another pull",
	[ENGINE_LAYER_PULLING] = "Pulling",
	[ENGINE_LAYER_UNPACKING] = "Unpacking",
	[ENGINE_LAYER_EXISTED] = "Already exists",
	[ENGINE_LAYER_DONE] = "Pull complete",
	[ENGINE_LAYER_PUSHING] = "Pushing",
	[ENGINE_LAYER_PUSHED] = "Pushed",
	[ENGINE_LAYER_MOUNTED] = "Mounted from another repository",
	[ENGINE_LAYER_FETCHING] = "Fetching",
	[ENGINE_LAYER_FETCHED] = "Fetched",
	[ENGINE_LAYER_READING] = "Reading",
	[ENGINE_LAYER_READ] = "Read",
	[ENGINE_LAYER_LOADING] = "Loading",
	[ENGINE_LAYER_LOADED] = "Loaded",
	[ENGINE_LAYER_SAVING] = "Saving",
	[ENGINE_LAYER_SAVED] = "Saved",
};

/* ---- texts ---- */

/* Do bytes move? */
static bool is_moving(enum engine_layer_state s)
{
	return s == ENGINE_LAYER_PULLING || s == ENGINE_LAYER_PUSHING || s == ENGINE_LAYER_FETCHING ||
	       s == ENGINE_LAYER_READING || s == ENGINE_LAYER_LOADING || s == ENGINE_LAYER_SAVING;
}

static const char *short_digest(const char *digest, char out[static 13])
{
	const char *colon = strchr(digest, ':');

	(void)snprintf(out, 13, "%.12s", colon ? colon + 1 : digest);
	return out;
}

static void bar(uint64_t at, uint64_t size, int width, bool utf8, char *out, size_t out_size)
{
	const int full = size ? (int)((double)at / (double)size * width) : width;
	size_t n = 0;

	for (int i = 0; i < width && n + 4 < out_size; i++) {
		const char *piece = i < full ? (utf8 ? "━" : "=") : i == full && at > 0 ? (utf8 ? "╸" : ">") : " ";

		n += (size_t)snprintf(out + n, out_size - n, "%s", piece);
	}
	out[n] = '\0';
}

/* "12.3MB/45MB": what came, of what; "12.3MB" where that is not known. */
static void amounts(uint64_t at, uint64_t size, char out[static 40])
{
	char a[16], b[16];

	str_from_size(at, a);
	str_from_size(size, b);
	(void)snprintf(out, 40, "%s%s%s", a, size ? "/" : "", size ? b : "");
}

void progress_line(const struct engine_layer *l, int columns, bool utf8, char *out, size_t size)
{
	char id[13], drawn[BAR_MAX * 4], sum[40];
	const bool moving = is_moving(l->state);
	int width = columns - 12 - 1 - 15 - 2 - 24;

	amounts(l->at, l->size, sum);
	if (!moving || width < 5 || l->size == 0) {
		(void)snprintf(out, size, "%s %s%s%s", short_digest(l->digest, id), state_words[l->state],
			       moving ? " " : "", moving ? sum : "");
	} else {
		bar(l->at, l->size, width > BAR_MAX ? BAR_MAX : width, utf8, drawn, sizeof(drawn));
		(void)snprintf(out, size, "%s %-10s [%s] %s", short_digest(l->digest, id), state_words[l->state], drawn,
			       sum);
	}
	if (columns > 0 && (int)strlen(out) > columns && !moving)
		out[columns] = '\0';
}

static void time_text(uint64_t seconds, char out[static 24])
{
	if (seconds < 60)
		(void)snprintf(out, 24, "%us", (unsigned)seconds);
	else if (seconds < 3600)
		(void)snprintf(out, 24, "%um%02us", (unsigned)(seconds / 60), (unsigned)(seconds % 60));
	else
		(void)snprintf(out, 24, "%uh%02um", (unsigned)(seconds / 3600 % 1000), (unsigned)(seconds / 60 % 60));
}

/* ---- speed ---- */

static void add_sample(struct progress *p, int64_t now, uint64_t bytes)
{
	if (p->sample_count > 0 && bytes < p->samples[p->sample_count - 1].bytes)
		p->sample_count = 0; /* another list: the archive is read, its layers begin */
	if (p->sample_count > 0 && now - p->samples[p->sample_count - 1].ns < SPEED_NS / SAMPLES)
		return;
	if (p->sample_count == SAMPLES) {
		memmove(p->samples, p->samples + 1, sizeof(p->samples) - sizeof(p->samples[0]));
		p->sample_count--;
	}
	p->samples[p->sample_count++] = (struct sample){now, bytes};
}

/* Bytes a second, of the last seconds. */
static uint64_t speed(const struct progress *p)
{
	const struct sample *first = p->samples, *last = p->samples + p->sample_count - 1;

	if (p->sample_count < 2 || last->bytes < first->bytes || last->ns == first->ns)
		return 0;
	return (uint64_t)((double)(last->bytes - first->bytes) * 1e9 / (double)(last->ns - first->ns));
}

static void total_line(const struct progress *p, uint64_t moved, uint64_t size, size_t done, size_t count, char *out,
		       size_t out_size)
{
	char sum[40], per_second[16], left[24];
	const uint64_t bps = speed(p);

	amounts(moved, size, sum);
	str_from_size(bps, per_second);
	time_text(bps && size > moved ? (size - moved) / bps : 0, left);
	size_t n = count == 1 ? (size_t)snprintf(out, out_size, "%s", sum)
			      : (size_t)snprintf(out, out_size, "%zu of %zu layers", done, count);

	if (size > 0 && count != 1)
		n += (size_t)snprintf(out + n, out_size - n, ", %s", sum);
	if (bps > 0)
		n += (size_t)snprintf(out + n, out_size - n, ", %s/s", per_second);
	if (bps > 0 && size > moved)
		(void)snprintf(out + n, out_size - n, ", left: %s", left);
}

/* ---- the terminal ---- */

static void terminal_size(int *ret_rows, int *ret_columns)
{
	struct winsize w;

	*ret_rows = 24;
	*ret_columns = 80;
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row > 0 && w.ws_col > 0) {
		*ret_rows = w.ws_row;
		*ret_columns = w.ws_col;
	}
}

static bool is_over(enum engine_layer_state s)
{
	return s == ENGINE_LAYER_DONE || s == ENGINE_LAYER_EXISTED || s == ENGINE_LAYER_PUSHED ||
	       s == ENGINE_LAYER_MOUNTED || s == ENGINE_LAYER_FETCHED || s == ENGINE_LAYER_READ ||
	       s == ENGINE_LAYER_LOADED || s == ENGINE_LAYER_SAVED;
}

static const char *colour(const struct progress *p, enum engine_layer_state s)
{
	if (!p->colours)
		return "";
	return is_over(s) ? "\033[32m" : is_moving(s) ? "\033[36m" : "\033[2m";
}

static void go_up(struct progress *p, struct buf *text)
{
	if (p->lines > 0)
		buf_printf(text, "\033[%dA", p->lines);
	buf_puts(text, "\r");
	p->lines = 0;
}

/* One write, so that nothing of another program comes in between. */
static void put(const struct buf *text)
{
	(void)fd_write_all(STDERR_FILENO, buf_str(text), text->len); /* who closed it does not want to see it */
}

static void draw(struct progress *p, const struct engine_layer *layers, size_t count, bool force)
{
	autobuf struct buf text = BUF_INIT(TEXT_MAX);
	const int64_t now = clock_monotonic_ns();
	uint64_t moved = 0, size = 0;
	size_t done = 0, shown = 0, running = 0;
	int rows, columns;
	char line[512];

	for (size_t i = 0; i < count; i++) {
		done += is_over(layers[i].state);
		running += !is_over(layers[i].state);
		if (layers[i].state != ENGINE_LAYER_EXISTED && layers[i].state != ENGINE_LAYER_MOUNTED) {
			moved += layers[i].at;
			size += layers[i].size;
		}
	}
	add_sample(p, now, moved);
	if (!force && done < count && now - p->drawn_ns < REDRAW_NS)
		return;
	p->drawn_ns = now;
	terminal_size(&rows, &columns);
	const size_t room = rows > 3 ? (size_t)rows - 2 : 1;
	size_t hide = count > room ? count - room : 0;

	go_up(p, &text);
	for (size_t i = 0; i < count && shown < room; i++) {
		/* No room for all: those that are over go first. */
		if (hide > 0 && (is_over(layers[i].state) || running > room)) {
			running -= !is_over(layers[i].state);
			hide--;
			continue;
		}
		progress_line(&layers[i], columns - 1, p->utf8, line, sizeof(line));
		buf_printf(&text, "%s%s%s\033[K\n", colour(p, layers[i].state), line, p->colours ? "\033[0m" : "");
		shown++;
		p->lines++;
	}
	total_line(p, moved, size, done, count, line, sizeof(line));
	if ((int)strlen(line) >= columns)
		line[columns - 1] = '\0';
	buf_printf(&text, "%s\033[K\n\033[J", line);
	p->lines++;
	put(&text);
}

/* ---- lines and JSON ---- */

static void say_json(const struct engine_layer *l)
{
	autojson struct json *j = json_new_object();
	autobuf struct buf text = BUF_INIT(4096);

	json_set_str(j, "id", l->digest);
	json_set_str(j, "status", state_words[l->state]);
	json_set(j, "current", json_new_i64((int64_t)l->at));
	json_set(j, "total", json_new_i64((int64_t)l->size));
	if (json_write(j, false, &text) && buf_putc(&text, '\n'))
		put(&text);
}

static void say_line(const struct engine_layer *l)
{
	autobuf struct buf text = BUF_INIT(512);
	char id[13], size[16];

	str_from_size(l->size, size);
	buf_printf(&text, "%s: %s", short_digest(l->digest, id), state_words[l->state]);
	if (is_moving(l->state) && l->size)
		buf_printf(&text, " %s", size);
	if (l->state == ENGINE_LAYER_PULLING && l->offset > 0) {
		str_from_size(l->offset, size);
		buf_printf(&text, ", from %s on", size);
	}
	buf_putc(&text, '\n');
	put(&text);
}

/* A log wants what changed; a program also how far it is, ten times a second at most. */
static void say_changes(struct progress *p, const struct engine_layer *layers, size_t count)
{
	const int64_t now = clock_monotonic_ns();
	const bool due = p->mode == PROGRESS_JSON && now - p->drawn_ns >= REDRAW_NS;

	if (p->said_count != count) {
		free(p->said);
		free(p->said_at);
		p->said = mem_zalloc(count + 1, sizeof(*p->said));
		p->said_at = mem_zalloc(count + 1, sizeof(*p->said_at));
		p->said_count = count;
	}
	for (size_t i = 0; i < count; i++) {
		const bool changed = p->said[i] != layers[i].state;

		if (p->mode == PROGRESS_JSON && (changed || (due && p->said_at[i] != layers[i].at)))
			say_json(&layers[i]);
		else if (p->mode == PROGRESS_PLAIN && changed)
			say_line(&layers[i]);
		p->said[i] = layers[i].state;
		p->said_at[i] = layers[i].at;
	}
	if (due)
		p->drawn_ns = now;
}

/* ---- what the engine calls ---- */

static void on_begin(void *arg, const char *tag, const char *repository)
{
	const struct progress *p = arg;
	autobuf struct buf text = BUF_INIT(4096);
	autofree char *what = str_neutral(tag), *from = str_neutral(repository);

	if (p->mode == PROGRESS_JSON)
		return;
	buf_printf(&text, "%s: %s %s\n", what, str_eq(p->verb, "push") ? "Pushing to" : "Pulling from", from);
	put(&text);
}

static void on_layers(void *arg, const struct engine_layer *layers, size_t count)
{
	struct progress *p = arg;

	if (p->mode == PROGRESS_TTY)
		draw(p, layers, count, false);
	else
		say_changes(p, layers, count);
}

/* A line that stays, above the bars. */
static void on_note(void *arg, const char *note)
{
	struct progress *p = arg;
	autobuf struct buf text = BUF_INIT(8192);
	autofree char *neutral = str_neutral(note);

	if (p->mode == PROGRESS_TTY) {
		go_up(p, &text);
		buf_puts(&text, "\033[J");
	}
	if (p->mode == PROGRESS_JSON) {
		autojson struct json *j = json_new_object();

		json_set_str(j, "status", neutral);
		(void)json_write(j, false, &text);
	} else {
		buf_puts(&text, neutral);
	}
	buf_putc(&text, '\n');
	put(&text);
}

/* The bars stay where they are; what comes next begins below. */
static void on_end(void *arg)
{
	struct progress *p = arg;

	p->lines = 0;
	p->sample_count = 0;
	p->said_count = 0;
}

/* ---- making ---- */

static bool speaks_utf8(void)
{
	static const char *const variables[] = {"LC_ALL", "LC_CTYPE", "LANG"};

	for (size_t i = 0; i < ARRAY_SIZE(variables); i++) {
		const char *v = getenv(variables[i]);

		if (v && *v)
			return strstr(v, "UTF-8") || strstr(v, "utf8") || strstr(v, "UTF8") || strstr(v, "utf-8");
	}
	return false;
}

static int choose_mode(const char *word, bool quiet, enum progress_mode *ret, struct error *err)
{
	static const struct {
		const char *word;
		enum progress_mode mode;
	} words[] = {
		{"tty", PROGRESS_TTY},     {"plain", PROGRESS_PLAIN}, {"json", PROGRESS_JSON},
		{"quiet", PROGRESS_QUIET}, {"none", PROGRESS_QUIET},
	};
	const char *terminal = getenv("TERM");
	const bool is_terminal = isatty(STDERR_FILENO) && !str_eq(terminal, "dumb");

	*ret = is_terminal && !quiet ? PROGRESS_TTY : PROGRESS_QUIET;
	if (!word || str_eq(word, "auto"))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (!str_eq(words[i].word, word))
			continue;
		*ret = words[i].mode == PROGRESS_TTY && !isatty(STDERR_FILENO) ? PROGRESS_PLAIN : words[i].mode;
		if (quiet)
			*ret = PROGRESS_QUIET;
		return 0;
	}
	return error_set(err, ERROR_INVALID, EINVAL, "--progress: expected %s, got \"%s\"", PROGRESS_WORDS, word);
}

int progress_new(const char *word, bool quiet, const char *verb, struct progress **ret, struct error *err)
{
	const char *no_colour = getenv("NO_COLOR");
	enum progress_mode mode;

	if (choose_mode(word, quiet, &mode, err) < 0)
		return -err->code;
	struct progress *p = mem_zalloc(1, sizeof(*p));

	p->mode = mode;
	p->verb = verb;
	p->utf8 = speaks_utf8();
	p->colours = !(no_colour && *no_colour);
	p->observer = (struct engine_observer){
		.arg = p, .begin = on_begin, .layers = on_layers, .note = on_note, .end = on_end};
	*ret = p;
	return 0;
}

void progress_free(struct progress *p)
{
	if (!p)
		return;
	free(p->said);
	free(p->said_at);
	free(p);
}

const struct engine_observer *progress_observer(const struct progress *p)
{
	return p->mode == PROGRESS_QUIET ? NULL : &p->observer;
}

/* ---- what the store does by itself ---- */

static void on_watched(void *arg, const struct store_watched *items, size_t count)
{
	static const enum engine_layer_state states[STORE_WATCHED_STATE_COUNT] = {
		[STORE_WATCHED_QUEUED] = ENGINE_LAYER_QUEUED, [STORE_WATCHED_READING] = ENGINE_LAYER_READING,
		[STORE_WATCHED_READ] = ENGINE_LAYER_READ,     [STORE_WATCHED_LOADING] = ENGINE_LAYER_LOADING,
		[STORE_WATCHED_LOADED] = ENGINE_LAYER_LOADED, [STORE_WATCHED_SAVING] = ENGINE_LAYER_SAVING,
		[STORE_WATCHED_SAVED] = ENGINE_LAYER_SAVED,
	};
	autofree struct engine_layer *layers = mem_zalloc(count + 1, sizeof(*layers));

	for (size_t i = 0; i < count; i++)
		layers[i] = (struct engine_layer){.digest = items[i].digest,
						  .state = states[items[i].state],
						  .size = items[i].size,
						  .at = items[i].at};
	on_layers(arg, layers, count);
}

store_watch_fn progress_watch(const struct progress *p)
{
	return p->mode == PROGRESS_QUIET ? NULL : on_watched;
}

void progress_end(struct progress *p)
{
	on_end(p);
}
