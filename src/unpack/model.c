/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A layer's tree in memory: see model.h. Each entry finds its folder (following the layer's own symlinks, making what is
 * missing), takes away what has its name, and puts a new inode there. Nodes are found through one hash table keyed by parent
 * and name; a removed folder's children need no removing, since nothing leads to their parent any more.
 */
#include "unpack/model.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "archive/layer_path.h"
#include "base/mem.h"
#include "base/str.h"
#include "safepath/safepath.h"

#define FOLLOW_MAX_BYTES ((size_t)SAFEPATH_MAX_LINKS * (TAR_PATH_MAX + 2u))

const char *model_type_name(enum model_type t)
{
	static const char *const names[] = {"a file", "a folder", "a symbolic link", "a FIFO", "a whiteout"};

	return names[t];
}

bool model_xattr_wanted(const char *name)
{
	if (str_starts(name, "user."))
		return !str_starts(name, "user.overlay.");
	return str_eq(name, "security.capability");
}

/* ---- memory and the table ---- */

static void *take(struct model *m, size_t count, size_t size)
{
	m->bytes += count * size + 16;
	return arena_alloc(&m->arena, count, size);
}

static const char *take_text(struct model *m, const char *s)
{
	m->bytes += strlen(s) + 1;
	return arena_strdup(&m->arena, s);
}

/* With a secret seed: names come from outside, and must not be able to fall into one slot. */
static uint64_t hash(const struct model *m, const struct model_node *parent, const char *name, size_t len)
{
	uint64_t h = m->seed ^ (uintptr_t)parent ^ len;

	for (size_t i = 0; i < len; i += 8) {
		uint64_t part = 0;

		memcpy(&part, name + i, len - i < 8 ? len - i : 8);
		__uint128_t product = (__uint128_t)(h ^ part ^ 0x9e3779b97f4a7c15u) * (m->seed | 1);

		h = (uint64_t)product ^ (uint64_t)(product >> 64);
	}
	return h ^ h >> 32;
}

static struct model_node **slot(const struct model *m, const struct model_node *parent, const char *name, size_t len)
{
	size_t mask = m->slot_count - 1, i = hash(m, parent, name, len) & mask;

	while (m->slots[i] && (m->slots[i]->parent != parent || strncmp(m->slots[i]->name, name, len) != 0 ||
			       m->slots[i]->name[len] != '\0'))
		i = (i + 1) & mask;
	return &m->slots[i];
}

static void grow(struct model *m)
{
	struct model_node **old = m->slots;
	size_t count = m->slot_count;

	m->slot_count = count ? 2 * count : 1024;
	m->slots = mem_zalloc(m->slot_count, sizeof(struct model_node *));
	m->bytes += m->slot_count * sizeof(struct model_node *);
	for (size_t i = 0; i < count; i++) {
		if (old[i])
			*slot(m, old[i]->parent, old[i]->name, strlen(old[i]->name)) = old[i];
	}
	free(old);
}

/* The living child of @parent, or NULL. */
static struct model_node *child(const struct model *m, const struct model_node *parent, const char *name, size_t len)
{
	struct model_node *n = *slot(m, parent, name, len);

	return n && !n->dead ? n : NULL;
}

static struct model_inode *new_inode(struct model *m, enum model_type type)
{
	struct model_inode *i = take(m, 1, sizeof(*i));

	i->type = type;
	return i;
}

/* @inode under a name that is free. */
static struct model_node *put(struct model *m, struct model_node *parent, const char *name, struct model_inode *inode)
{
	size_t len = strlen(name);
	struct model_node *n = take(m, 1, sizeof(*n) + len + 1);

	if (2 * (m->used + 1) > m->slot_count)
		grow(m);
	memcpy(n->name, name, len + 1);
	n->parent = parent;
	n->inode = inode;
	n->next = parent->first_child;
	parent->first_child = n;
	struct model_node **place = slot(m, parent, name, len);

	m->used += *place == NULL; /* else a dead one's place */
	m->node_count++;
	*place = n;
	return n;
}

void model_init(struct model *m)
{
	*m = (struct model){.path = BUF_INIT(FOLLOW_MAX_BYTES)};
	if (getrandom(&m->seed, sizeof(m->seed), 0) != (ssize_t)sizeof(m->seed))
		m->seed = (uintptr_t)m; /* still of use: the address is random */
	grow(m);
	m->root = take(m, 1, sizeof(*m->root) + 1);
	m->root->inode = new_inode(m, MODEL_DIR);
	m->root->inode->implied = true;
}

void model_done(struct model *m)
{
	free(m->slots);
	buf_done(&m->path);
	arena_done(&m->arena);
	*m = (struct model){0};
}

/* ---- finding ---- */

struct model_node *model_find(struct model *m, const char *path)
{
	struct model_node *n = m->root;

	while (n && *path) {
		size_t len = strcspn(path, "/");

		n = child(m, n, path, len);
		path += len;
		path += *path == '/';
	}
	return n;
}

static bool is_dir(const struct model_node *n)
{
	return n && n->inode->type == MODEL_DIR;
}

/* The rest of the way, a symlink's target put in front of it. */
static bool prepend(struct model *m, size_t *at, const char *target)
{
	autobuf struct buf rest = BUF_INIT(FOLLOW_MAX_BYTES);

	if (!buf_puts(&rest, target) || !buf_putc(&rest, '/') || !buf_puts(&rest, buf_str(&m->path) + *at))
		return false;
	buf_reset(&m->path);
	*at = 0;
	return buf_add(&m->path, buf_str(&rest), rest.len);
}

/* The folder @path leads to, symlinks followed inside the root. NULL: nowhere. */
static struct model_node *follow(struct model *m, const char *path)
{
	struct model_node *n = m->root;
	size_t at = 0, links = 0;

	buf_reset(&m->path);
	if (!buf_puts(&m->path, path))
		return NULL;
	while (is_dir(n) && buf_str(&m->path)[at]) {
		const char *name = buf_str(&m->path) + at;
		size_t len = strcspn(name, "/");

		at += len + (name[len] == '/');
		if (len == 0 || (len == 1 && name[0] == '.'))
			continue;
		if (len == 2 && name[0] == '.' && name[1] == '.') {
			n = n->parent ? n->parent : n;
			continue;
		}
		struct model_node *next = child(m, n, name, len);

		if (next && next->inode->type == MODEL_SYMLINK) {
			if (++links > SAFEPATH_MAX_LINKS || !prepend(m, &at, next->inode->link))
				return NULL;
			if (next->inode->link[0] == '/')
				n = m->root;
			continue;
		}
		n = next;
	}
	return is_dir(n) ? n : NULL;
}

/* The folder @path, of which the way to the last component is there; made when it is missing, on the place of a whiteout too. */
static struct model_node *open_or_make(struct model *m, struct model_node *dir, const char *path, const char *name)
{
	struct model_node *n = child(m, dir, name, strlen(name));
	bool hidden = n && n->inode->type == MODEL_WHITEOUT;

	if (is_dir(n))
		return n;
	if (n && n->inode->type == MODEL_SYMLINK)
		return follow(m, path);
	if (n && !hidden)
		return NULL;
	if (n)
		n->dead = true;
	n = put(m, dir, name, new_inode(m, MODEL_DIR));
	n->inode->implied = true;
	n->inode->opaque = hidden;
	return n;
}

static struct model_node *make_parents(struct model *m, const char *path)
{
	struct model_node *n = m->root;
	char part[TAR_PATH_MAX + 1];
	size_t at = 0;

	while (n && path[at]) {
		size_t from = at;

		at += strcspn(path + at, "/");
		memcpy(part, path, at);
		part[at] = '\0';
		n = open_or_make(m, n, part, part + from);
		at += path[at] == '/';
	}
	return n;
}

static struct model_node *parent_of(struct model *m, const struct layer_path *p, bool make)
{
	char path[TAR_PATH_MAX + 1];
	size_t len = p->base ? p->base - 1 : 0;

	memcpy(path, p->text, len);
	path[len] = '\0';
	struct model_node *n = follow(m, path);

	return n || !make ? n : make_parents(m, path);
}

/* ---- entries ---- */

static void set_xattrs(struct model *m, struct model_inode *i, const struct tar_entry *e)
{
	struct tar_xattr *all = take(m, i->xattr_count + e->xattr_count, sizeof(*all));
	size_t count = 0;

	for (size_t k = 0; k < i->xattr_count + e->xattr_count; k++) {
		const struct tar_xattr *x = k < i->xattr_count ? &i->xattrs[k] : &e->xattrs[k - i->xattr_count];
		size_t at = 0;

		if (!model_xattr_wanted(x->name))
			continue;
		while (at < count && !str_eq(all[at].name, x->name))
			at++;
		count += at == count;
		all[at] = (struct tar_xattr){.name = take_text(m, x->name), .len = x->len};
		void *value = take(m, x->len, 1);

		if (x->len > 0)
			memcpy(value, x->value, x->len);
		all[at].value = value;
	}
	i->xattrs = all;
	i->xattr_count = count;
}

static void set_all(struct model *m, struct model_inode *i, const struct tar_entry *e)
{
	i->implied = false;
	i->mode = e->mode;
	i->uid = e->uid;
	i->gid = e->gid;
	i->dated = true;
	i->mtime_s = e->mtime_s;
	i->mtime_ns = e->mtime_ns;
	if (e->xattr_count > 0 && (i->type == MODEL_FILE || i->type == MODEL_DIR))
		set_xattrs(m, i, e);
}

static int read_content(struct model_inode *i, struct tar *t, struct error *err)
{
	const unsigned char *data;
	struct content c;
	uint64_t offset;
	size_t len;
	int r;

	content_init(&c);
	while ((r = tar_data(t, &data, &len, &offset, err)) > 0)
		content_add(&c, offset, data, len);
	if (r == 0)
		content_end(&c, i->content);
	return r;
}

static int hard_link(struct model *m, struct model_node *dir, const char *name, const struct tar_entry *e,
		     struct error *err)
{
	struct layer_path target;

	if (layer_path_parse(e->link, &target, err) < 0)
		return error_wrap(err, "link target");
	struct model_node *from = target.text[0] ? parent_of(m, &target, false) : NULL;

	from = from ? child(m, from, target.text + target.base, strlen(target.text + target.base)) : NULL;
	if (!from || is_dir(from) || from->inode->type == MODEL_WHITEOUT)
		return error_set(err, ERROR_INVALID, ENOENT, "the link's target is no file of this layer");
	put(m, dir, name, from->inode);
	return 0;
}

static int new_object(struct model *m, struct model_node *dir, const char *name, struct tar *t,
		      const struct tar_entry *e, struct error *err)
{
	static const enum model_type types[TAR_TYPE_COUNT] = {
		[TAR_FILE] = MODEL_FILE, [TAR_SYMLINK] = MODEL_SYMLINK, [TAR_FIFO] = MODEL_FIFO};

	if (e->type == TAR_HARDLINK)
		return hard_link(m, dir, name, e, err);
	struct model_inode *i = new_inode(m, types[e->type]);

	i->size = e->size;
	if (e->type == TAR_SYMLINK)
		i->link = take_text(m, e->link);
	if (e->type == TAR_FILE && read_content(i, t, err) < 0)
		return -err->code;
	set_all(m, i, e);
	put(m, dir, name, i);
	return 0;
}

static int apply_plain(struct model *m, struct model_node *dir, const struct layer_path *p, struct tar *t,
		       const struct tar_entry *e, struct error *err)
{
	const char *name = p->text + p->base;
	struct model_node *n = child(m, dir, name, strlen(name));

	if (e->type == TAR_CHAR || e->type == TAR_BLOCK)
		return 0;
	if (e->type == TAR_DIR) {
		if (!is_dir(n)) {
			bool hidden = n && n->inode->type == MODEL_WHITEOUT;

			if (n)
				n->dead = true;
			n = put(m, dir, name, new_inode(m, MODEL_DIR));
			n->inode->opaque = hidden;
		}
		set_all(m, n->inode, e);
		return 0;
	}
	if (n)
		n->dead = true;
	return new_object(m, dir, name, t, e, err);
}

static void hide(struct model *m, struct model_node *dir, const char *name)
{
	struct model_node *n = child(m, dir, name, strlen(name));

	if (!n)
		put(m, dir, name, new_inode(m, MODEL_WHITEOUT));
	else if (is_dir(n))
		n->inode->opaque = true;
}

int model_apply(struct model *m, struct tar *t, const struct tar_entry *e, struct error *err)
{
	struct layer_path p;
	const char *hidden;

	if (m->bytes > MODEL_MAX_BYTES)
		return error_set(err, ERROR_LIMIT, E2BIG, "the layer has too many files to be compared in %llu MiB",
				 (unsigned long long)(MODEL_MAX_BYTES >> 20));
	if (layer_path_parse(e->path, &p, err) < 0)
		return -err->code;
	if (!p.text[0]) {
		if (e->type != TAR_DIR)
			return error_set(err, ERROR_INVALID, ENOTDIR, "the layer's root would become %s",
					 tar_type_name(e->type));
		set_all(m, m->root->inode, e);
		return 0;
	}
	int kind = layer_path_whiteout(p.text + p.base, &hidden, err);

	if (kind < 0 || kind == LAYER_AUFS)
		return kind < 0 ? kind : 0;
	struct model_node *dir = parent_of(m, &p, true);

	if (!dir)
		return error_set(err, ERROR_INVALID, ENOTDIR, "the folder it lies in is none");
	if (kind == LAYER_OPAQUE)
		dir->inode->opaque = true;
	else if (kind == LAYER_HIDE)
		hide(m, dir, hidden);
	else
		return apply_plain(m, dir, &p, t, e, err);
	return 0;
}

void model_finish(struct model *m)
{
	for (struct model_node *n = model_next(m, NULL, true); n; n = model_next(m, n, true))
		n->inode->links++;
}

/* ---- going through ---- */

static struct model_node *living(struct model_node *n)
{
	while (n && n->dead)
		n = n->next;
	return n;
}

struct model_node *model_next(const struct model *m, struct model_node *n, bool below)
{
	struct model_node *next;

	if (!n)
		return living(m->root->first_child);
	next = below ? living(n->first_child) : NULL;
	while (!next && n && n != m->root) {
		next = living(n->next);
		n = n->parent;
	}
	return next;
}

void model_path(const struct model_node *n, char out[static TAR_PATH_MAX + 1])
{
	size_t at = TAR_PATH_MAX;

	out[at] = '\0';
	for (; n->parent; n = n->parent) {
		size_t len = strlen(n->name);

		if (len + 1 > at)
			break; /* deeper than a path can say: its end is told */
		at -= len;
		memcpy(out + at, n->name, len);
		if (n->parent->parent)
			out[--at] = '/';
	}
	memmove(out, out + at, TAR_PATH_MAX + 1 - at);
}
