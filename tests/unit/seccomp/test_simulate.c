/* SPDX-License-Identifier: Apache-2.0 */
/* The interpreter against programs written by hand, and its refusals of malformed ones. */
#include "test.h"

#include "base/cleanup.h"
#include "seccomp/seccomp.h"

#define RUN(...)                                                                                                       \
	run((const struct sock_filter[]){__VA_ARGS__},                                                                 \
	    sizeof((const struct sock_filter[]){__VA_ARGS__}) / sizeof(struct sock_filter))

static const struct seccomp_data data = {.nr = 7, .arch = 9, .args = {UINT64_C(0x1122334455667788)}};

static int64_t run(const struct sock_filter *f, size_t len)
{
	uint32_t ret;

	return seccomp_simulate(f, len, &data, &ret, NULL) < 0 ? -1 : (int64_t)ret;
}

TEST(arithmetic_and_memory)
{
	CHECK_INT(RUN(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 5),
		      BPF_STMT(BPF_ST, 3), BPF_STMT(BPF_LD | BPF_IMM, 0), BPF_STMT(BPF_LD | BPF_MEM, 3),
		      BPF_STMT(BPF_RET | BPF_A, 0)),
		  12);
	CHECK_INT(RUN(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 16), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xffff),
		      BPF_STMT(BPF_MISC | BPF_TAX, 0), BPF_STMT(BPF_LD | BPF_IMM, 1),
		      BPF_STMT(BPF_ALU | BPF_OR | BPF_X, 0), BPF_STMT(BPF_RET | BPF_A, 0)),
		  0x7789);
	CHECK_INT(RUN(BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0), BPF_STMT(BPF_RET | BPF_A, 0)), 64);
}

TEST(jumps)
{
	CHECK_INT(RUN(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 9, 1, 0),
		      BPF_STMT(BPF_RET | BPF_K, 1), BPF_STMT(BPF_RET | BPF_K, 2)),
		  2);
	CHECK_INT(RUN(BPF_STMT(BPF_JMP | BPF_JA, 1), BPF_STMT(BPF_RET | BPF_K, 1), BPF_STMT(BPF_RET | BPF_K, 2)), 2);
}

TEST(malformed_programs)
{
	CHECK_INT(RUN(BPF_STMT(BPF_JMP | BPF_JA, 1), BPF_STMT(BPF_RET | BPF_K, 1)), -1);
	CHECK_INT(RUN(BPF_STMT(BPF_JMP | BPF_JA, UINT32_MAX), BPF_STMT(BPF_RET | BPF_K, 1)), -1);
	CHECK_INT(RUN(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), BPF_STMT(BPF_RET | BPF_K, 1)), -1);
	CHECK_INT(RUN(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2), BPF_STMT(BPF_RET | BPF_K, 1)), -1);
	CHECK_INT(RUN(BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), BPF_STMT(BPF_RET | BPF_K, 1)), -1);
	CHECK_INT(RUN(BPF_STMT(BPF_ST, 16), BPF_STMT(BPF_RET | BPF_K, 1)), -1);
	CHECK_INT(RUN(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0)), -1);
	CHECK_INT(run(NULL, 0), -1);
}
