/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two images side by side: which layers each has, a sandboxed worker that walks them (differ.c), and its answers passed on one
 * by one, so that memory does not grow with their number. No image goes away meanwhile: the use lock is held shared.
 */
#include "store/internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

const char *store_changed_name(enum unpack_changed bit)
{
	static const struct {
		enum unpack_changed bit;
		const char *name;
	} names[] = {
		{UNPACK_CHANGED_TYPE, "type"},   {UNPACK_CHANGED_CONTENT, "content"}, {UNPACK_CHANGED_MODE, "mode"},
		{UNPACK_CHANGED_OWNER, "owner"}, {UNPACK_CHANGED_LINK, "link"},       {UNPACK_CHANGED_XATTR, "xattr"},
		{UNPACK_CHANGED_BELOW, "below"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (names[i].bit == bit)
			return names[i].name;
	}
	return "";
}

/* The layers of an image for the worker, the upper ones first; @skip of them left out from the top. */
static void add_layers(struct buf *list, char side, const struct store_image *image, size_t skip)
{
	for (size_t i = image->layer_count; i-- > 0;) {
		if (i + skip < image->layer_count)
			buf_printf(list, "%c%s\n", side, image->layers[i].chain_id + 7);
	}
}

static int run_worker(struct store *s, const struct buf *list, store_change_fn fn, void *arg, struct error *err)
{
	autoclean(worker_answer_done) struct worker_answer answer = {0};
	autoclean(worker_done) struct worker w = WORKER_NONE;
	autofd int in = fd_memory("layers", buf_str(list), list->len);
	autofd int layers = FD_NONE;
	struct unpack_limits limits;

	if (in < 0)
		return error_sys(err, -in, "cannot make the list of layers");
	layers = store_folder(s, "layers", err);
	worker_limits(NULL, &limits);
	if (layers < 0 || worker_start(s, UNPACK_DIFF, &limits, in, layers, &w, err) < 0)
		return -err->code;
	w.on_change = fn;
	w.on_change_arg = arg;
	return worker_finish(&w, &answer, err);
}

int store_image_diff(struct store *s, const char *old, const char *new, store_change_fn fn, void *arg,
		     struct error *err)
{
	autoimage struct store_image a = {0}, b = {0};
	autobuf struct buf list = BUF_INIT(1 << 20);
	autofd int use = safepath_lock(s->root_fd, STORE_USE_LOCK, false, true, err);

	if (use < 0 || store_image_find(s, new, &b, err) < 0)
		return -err->code;
	if (old && store_image_find(s, old, &a, err) < 0)
		return -err->code;
	add_layers(&list, 'a', old ? &a : &b, old ? 0 : 1);
	add_layers(&list, 'b', &b, 0);
	return run_worker(s, &list, fn, arg, err);
}
