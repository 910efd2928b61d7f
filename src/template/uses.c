/* SPDX-License-Identifier: Apache-2.0 */
/* Which fields of the value a template asks for, found in the tree: callers leave out what is costly and not asked for. */
#include "base/str.h"
#include "template/internal.h"

static bool pipe_uses(const struct pipe *p, const char *name);

/* Inside range and with the dot is something else, but what it is came from a pipeline that was looked at. A name too many does no
 * harm. */
static bool operand_uses(const struct operand *o, const char *name)
{
	if (o->type == OPERAND_PIPE)
		return pipe_uses(o->pipe, name);
	if (o->type != OPERAND_DOT && o->type != OPERAND_VARIABLE)
		return false;
	return o->field_count ? str_eq(o->fields[0], name) : o->type == OPERAND_DOT || o->slot == 0;
}

static bool pipe_uses(const struct pipe *p, const char *name)
{
	for (size_t i = 0; i < p->count; i++)
		for (size_t k = 0; k < p->calls[i].count; k++)
			if (operand_uses(&p->calls[i].args[k], name))
				return true;
	return false;
}

static bool nodes_use(const struct nodes *l, const char *name)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct node *n = &l->items[i];

		if (pipe_uses(&n->pipe, name) || nodes_use(&n->body, name) || nodes_use(&n->otherwise, name))
			return true;
	}
	return false;
}

bool template_uses(const struct template *t, const char *name)
{
	return nodes_use(&t->root, name);
}
