/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KERNEL_BPF_H
#define KERNEL_BPF_H

/*
 * bpf(2) for the device filter of cgroup v2: load, attach, replace, query, detach. The program's instructions are made in
 * cgroup/. Source: bpf(2), kernel Documentation/admin-guide/cgroup-v2.rst "Device controller".
 */

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct bpf_insn;

/* Load a BPF_PROG_TYPE_CGROUP_DEVICE program. Returns its fd (owned, close-on-exec), or <0: UNSUPPORTED (no bpf, or not this
 * type), DENIED (needs CAP_BPF or CAP_SYS_ADMIN in the first user namespace), INVALID (refused by the verifier; the end of
 * its log is in the message). */
int bpf_load_device_filter(const struct bpf_insn *insns, size_t count, struct error *err);

/* Attach @prog_fd to @cgroup_fd with BPF_F_ALLOW_MULTI; @replace_fd >= 0: atomically in place of that one (kernels before
 * 5.6 attach and then detach the old: never a moment without a filter). */
int bpf_cgroup_attach(int cgroup_fd, int prog_fd, int replace_fd, struct error *err);
int bpf_cgroup_detach(int cgroup_fd, int prog_fd, struct error *err);

/* The ids of the device programs attached to @cgroup_fd itself. @ret_count: how many there are; at most @max are filled. */
int bpf_cgroup_query(int cgroup_fd, uint32_t *ret_ids, size_t max, size_t *ret_count, struct error *err);

/* An fd (owned) for a loaded program. <0: NOT_FOUND (gone), DENIED. */
int bpf_prog_open(uint32_t id, struct error *err);

#endif
