/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bothy-unpack: reads one untrusted archive into one folder, with rights to nothing else. bothy starts it with the archive
 * on fd 0, the folder on fd 3 and a socket on fd 4; it is of no use by hand. Everything is in unpack/.
 */
#include "base/sanitized.h"
#include "unpack/unpack.h"

SANITIZED_WITHOUT_LEAKS

int main(int argc, char **argv)
{
	return unpack_main(argc, argv);
}
