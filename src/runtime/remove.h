/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_REMOVE_H
#define RUNTIME_REMOVE_H

#include "cgroup/cgroup.h"
#include "runtime/state.h"
#include "spec/spec.h"

/* Take a container whose init has ended (or is being killed) off the host: leftover processes of its group are killed, the
 * group and the state folder are removed, then the poststop hooks run (their failures are logged). @cg may be NULL. */
int remove_container(struct runtime *rt, const struct state *s, const struct spec *spec, struct cgroup *cg,
		     struct error *err);

#endif
