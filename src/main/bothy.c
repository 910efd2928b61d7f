/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bothy: the engine's command line.
 *
 * The house, bottom up (a module includes lower ones only; tools/check-layers):
 *	base      errors, buffers, strings, fds, JSON, time       knows nothing of containers
 *	kernel    one file per kernel surface                     no policy
 *	spec      OCI documents: parse, validate, defaults, write
 *	safepath  paths inside roots that are not trusted, procfs that cannot be faked
 *	cgroup    control groups, v1 and v2 behind one face
 *	seccomp   from rules to a BPF program
 *	store     images, layers, containers' folders
 *	runtime   the plan and its execution; the verbs of the OCI runtime
 *	engine    what a user names: run, images
 *	cli       command lines; commands.c is the only list
 *	main      these entry points
 */
#include "cli/cli.h"

int main(int argc, char **argv)
{
	return cli_bothy_main(argc, argv);
}
