/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KERNEL_KERNEL_H
#define KERNEL_KERNEL_H

/* The whole module: one header per kernel surface. Include this, or the single surfaces you use. */

#include "kernel/bpf.h"
#include "kernel/callfilter.h"
#include "kernel/caps.h"
#include "kernel/file.h"
#include "kernel/ids.h"
#include "kernel/landlock.h"
#include "kernel/lsm.h"
#include "kernel/mount.h"
#include "kernel/netlink.h"
#include "kernel/probe.h"
#include "kernel/process.h"
#include "kernel/pty.h"
#include "kernel/signal.h"
#include "kernel/time.h"

#endif
