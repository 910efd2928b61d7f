/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bothy-fetch: speaks to registries, with rights to nothing else. bothy starts it with a socket on fd 3; it is of no use by
 * hand. Everything is in registry/.
 */
#include "base/sanitized.h"
#include "registry/registry.h"

SANITIZED_WITHOUT_LEAKS

int main(int argc, char **argv)
{
	return registry_fetch_main(argc, argv);
}
