/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_HOST_H
#define RUNTIME_HOST_H

/* The host's side of a launch: one function per step of the host list. See launch.c. */

#include "runtime/launch.h"

typedef int (*host_fn)(struct launch *l, const struct plan_step *s, struct error *err);

/* host_gather.c: what is opened beforehand */
int host_state_dir(struct launch *l, const struct plan_step *s, struct error *err);
int host_root_open(struct launch *l, const struct plan_step *s, struct error *err);
int host_layers(struct launch *l, const struct plan_step *s, struct error *err);
int host_source(struct launch *l, const struct plan_step *s, struct error *err);
int host_device_source(struct launch *l, const struct plan_step *s, struct error *err);
int host_seccomp(struct launch *l, const struct plan_step *s, struct error *err);
int host_start_socket(struct launch *l, const struct plan_step *s, struct error *err);
int host_sockets(struct launch *l, const struct plan_step *s, struct error *err);

/* host_group.c: the control group */
int host_cgroup_create(struct launch *l, const struct plan_step *s, struct error *err);
int host_cgroup_limits(struct launch *l, const struct plan_step *s, struct error *err);
int host_cgroup_verify(struct launch *l, const struct plan_step *s, struct error *err);

/* host_child.c: the process, from outside */
/* What @inside is on the host, by @maps. */
uint32_t host_id(const struct spec_id_maps *maps, uint32_t inside);
int host_clone(struct launch *l, const struct plan_step *s, struct error *err);
int host_id_maps(struct launch *l, const struct plan_step *s, struct error *err);
int host_idmap_mounts(struct launch *l, const struct plan_step *s, struct error *err);
int host_overlay(struct launch *l, const struct plan_step *s, struct error *err);
int host_rlimits(struct launch *l, const struct plan_step *s, struct error *err);
int host_oom_score(struct launch *l, const struct plan_step *s, struct error *err);
int host_net_devices(struct launch *l, const struct plan_step *s, struct error *err);

/* host_meet.c: meeting it */
int host_mapped_tell(struct launch *l, const struct plan_step *s, struct error *err);
int host_prepared_wait(struct launch *l, const struct plan_step *s, struct error *err);
int host_hooks_runtime(struct launch *l, const struct plan_step *s, struct error *err);
int host_hooked_tell(struct launch *l, const struct plan_step *s, struct error *err);
int host_ready_wait(struct launch *l, const struct plan_step *s, struct error *err);
int host_birth_wait(struct launch *l, const struct plan_step *s, struct error *err);
int host_pidfd_send(struct launch *l, const struct plan_step *s, struct error *err);
int host_go_tell(struct launch *l, const struct plan_step *s, struct error *err);
int host_recorded_tell(struct launch *l, const struct plan_step *s, struct error *err);
int host_record(struct launch *l, const struct plan_step *s, struct error *err);
int host_pid_file(struct launch *l, const struct plan_step *s, struct error *err);

#endif
