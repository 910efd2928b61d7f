/* SPDX-License-Identifier: Apache-2.0 */
/* Tables: as Docker's where there is room, cut where there is not. */
#include "cli/table.h"

#include "base/cleanup.h"
#include "test.h"

static void check(const char *const *lines, size_t width, const char *want)
{
	autobuf struct buf out = BUF_INIT(65536);
	autotable struct table *t = table_new();

	for (; *lines; lines++)
		table_add(t, *lines);
	table_write(t, width, &out);
	CHECK_STR(buf_str(&out), want);
}

TEST(as_docker_lays_out)
{
	check((const char *const[]){"REPOSITORY\tTAG\tSIZE", "debian\t12\t117MB", NULL}, 0,
	      "REPOSITORY   TAG       SIZE\n"
	      "debian       12        117MB\n");
	check((const char *const[]){"A\tB", "a long one here\t", "h\xc3\xa9\tx", NULL}, 0,
	      "A                 B\n"
	      "a long one here   \n"
	      "h\xc3\xa9                x\n");
	check((const char *const[]){NULL}, 80, "");
}

TEST(cut_to_the_terminal)
{
	check((const char *const[]){"NAME\tSIZE", "registry.example.com/a/b\t1kB", NULL}, 24,
	      "NAME                SIZE\n"
	      "registry.example…   1kB\n");
	/* Headers and short columns stay whole, whatever the terminal says. */
	check((const char *const[]){"NAME\tSIZE", "registry.example.com/a/b\t1kB", NULL}, 3,
	      "NAME         SIZE\n"
	      "registry.…   1kB\n");
}

TEST(nothing_that_a_terminal_obeys)
{
	check((const char *const[]){"A\tB", "x\x1b[31m\t\xc2\x9by\xff", NULL}, 0,
	      "A         B\n"
	      "x?[31m    ?y?\n");
}
