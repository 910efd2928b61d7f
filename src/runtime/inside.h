/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_INSIDE_H
#define RUNTIME_INSIDE_H

/* The container's side of a launch: one function per step of the inside list. See inside.c. */

#include "runtime/launch.h"

typedef int (*inside_fn)(struct launch *l, const struct plan_step *s, struct error *err);

/* inside_root.c: the root file system */
int inside_propagation(struct launch *l, const struct plan_step *s, struct error *err);
int inside_root_attach(struct launch *l, const struct plan_step *s, struct error *err);
int inside_pivot(struct launch *l, const struct plan_step *s, struct error *err);
int inside_readonly_path(struct launch *l, const struct plan_step *s, struct error *err);
int inside_mask_path(struct launch *l, const struct plan_step *s, struct error *err);
int inside_work_dir(struct launch *l, const struct plan_step *s, struct error *err);
int inside_root_readonly(struct launch *l, const struct plan_step *s, struct error *err);
int inside_root_propagation(struct launch *l, const struct plan_step *s, struct error *err);

/* inside_mounts.c: what is mounted in it */
int inside_mount(struct launch *l, const struct plan_step *s, struct error *err);

/* inside_dev.c: devices, links, terminal */
int inside_device(struct launch *l, const struct plan_step *s, struct error *err);
int inside_dev_links(struct launch *l, const struct plan_step *s, struct error *err);
int inside_console(struct launch *l, const struct plan_step *s, struct error *err);

#endif
