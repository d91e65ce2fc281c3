// SPDX-License-Identifier: Apache-2.0
/* The same tests for machines without SSE2. */
#undef __SSE2__
#include "tests/unit/core/lines_test.c"
