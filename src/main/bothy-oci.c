/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bothy-oci: the OCI runtime, for engines. Everything is in cli/oci*.c (what is typed), runtime/ (what is done) and the
 * layers below; see ARCHITECTURE.md.
 */
#include "cli/cli.h"

int main(int argc, char **argv)
{
	return cli_oci_main(argc, argv);
}
