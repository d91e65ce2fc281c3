// SPDX-License-Identifier: Apache-2.0
/* A head in pieces: any order, overlaps, beyond the window, too many holes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "agent/track/assembly.h"
#include "tests/unit/guard.h"

enum { BASE = 1000 };

static const char text[] = "0123456789abcdefghijklmnopqrstuvwxyz";

static struct sonde_assembly *begun(void)
{
	static struct sonde_assembly a;

	memset(&a, 0xee, sizeof(a));
	sonde_assembly_begin(&a, BASE);
	return &a;
}

/* Adds text[FROM..TO). */
static void add(struct sonde_assembly *a, size_t from, size_t to)
{
	struct guard g = guard_new(sizeof(text));

	sonde_assembly_add(a, BASE + from, guard_put(&g, sonde_slice_of(text + from, to - from)));
	guard_free(&g);
}

static void check_front(const struct sonde_assembly *a, size_t len)
{
	assert_int_equal(sonde_assembly_front(a).len, len);
	assert_memory_equal(sonde_assembly_front(a).ptr, text, len);
}

static void pieces_in_order_grow_the_front(void **state)
{
	struct sonde_assembly *a = begun();

	(void)state;
	for (size_t i = 0; i < 36; i++) {
		check_front(a, i);
		add(a, i, i + 1);
	}
	check_front(a, 36);
}

static void pieces_in_reverse_join_when_the_first_comes(void **state)
{
	struct sonde_assembly *a = begun();

	(void)state;
	for (size_t i = 8; i > 0; i--) {
		check_front(a, 0);
		add(a, i * 4, i * 4 + 4);
	}
	add(a, 0, 4);
	check_front(a, 36);
	assert_int_equal(a->n_pieces, 0);
}

static void every_order_of_three_overlapping_pieces_gives_the_same(void **state)
{
	static const uint8_t orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
					      { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
	static const uint8_t pieces[3][2] = { { 0, 15 }, { 10, 25 }, { 20, 36 } };

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		struct sonde_assembly *a = begun();

		for (size_t k = 0; k < 3; k++)
			add(a, pieces[orders[i][k]][0], pieces[orders[i][k]][1]);
		check_front(a, 36);
	}
}

static void a_hole_of_one_byte_is_a_hole(void **state)
{
	struct sonde_assembly *a = begun();

	(void)state;
	add(a, 1, 5);
	check_front(a, 0);
	add(a, 6, 9);
	add(a, 0, 1);
	check_front(a, 5);
	add(a, 5, 6);
	check_front(a, 9);
}

static void bytes_below_the_window_are_cut_off(void **state)
{
	struct sonde_assembly *a = begun();

	(void)state;
	sonde_assembly_add(a, BASE - 4, sonde_slice_of("xxxx", 4));
	sonde_assembly_add(a, 0, sonde_slice_of("xxxx", 4));
	check_front(a, 0);
	sonde_assembly_add(a, BASE - 2, sonde_slice_of("xx01", 4));
	check_front(a, 2);
}

static void bytes_behind_the_window_are_cut_off(void **state)
{
	static uint8_t big[SONDE_ASSEMBLY_BYTES];
	struct sonde_assembly *a = begun();

	(void)state;
	memcpy(big, text, 36);
	sonde_assembly_add(a, BASE + SONDE_ASSEMBLY_BYTES, sonde_slice_of(big, 10));
	sonde_assembly_add(a, UINT64_MAX, sonde_slice_of(big, 1));
	assert_int_equal(a->n_pieces, 0);
	sonde_assembly_add(a, BASE + 1, sonde_slice_of(big + 1, sizeof(big) - 1));
	sonde_assembly_add(a, BASE + 1, sonde_slice_of(big + 1, sizeof(big) - 1));
	sonde_assembly_add(a, BASE, sonde_slice_of(big, sizeof(big)));
	assert_int_equal(sonde_assembly_front(a).len, SONDE_ASSEMBLY_BYTES);
	assert_memory_equal(sonde_assembly_front(a).ptr, big, sizeof(big));
}

static void too_many_holes_leave_pieces_out_but_never_join_wrongly(void **state)
{
	struct sonde_assembly *a = begun();

	(void)state;
	for (size_t i = 1; i <= SONDE_ASSEMBLY_PIECES + 2; i++)
		add(a, 3 * i, 3 * i + 1);
	assert_int_equal(a->n_pieces, SONDE_ASSEMBLY_PIECES);
	add(a, 0, 3 * SONDE_ASSEMBLY_PIECES);
	/* The eighth island ends the front; the ninth and tenth were left out. */
	check_front(a, 3 * SONDE_ASSEMBLY_PIECES + 1);
}

static void an_empty_piece_changes_nothing(void **state)
{
	struct sonde_assembly *a = begun();

	(void)state;
	sonde_assembly_add(a, BASE, SONDE_SLICE_EMPTY);
	sonde_assembly_add(a, BASE + 5, SONDE_SLICE_EMPTY);
	check_front(a, 0);
	assert_int_equal(a->n_pieces, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_in_order_grow_the_front),
		cmocka_unit_test(pieces_in_reverse_join_when_the_first_comes),
		cmocka_unit_test(every_order_of_three_overlapping_pieces_gives_the_same),
		cmocka_unit_test(a_hole_of_one_byte_is_a_hole),
		cmocka_unit_test(bytes_below_the_window_are_cut_off),
		cmocka_unit_test(bytes_behind_the_window_are_cut_off),
		cmocka_unit_test(too_many_holes_leave_pieces_out_but_never_join_wrongly),
		cmocka_unit_test(an_empty_piece_changes_nothing),
	};

	return cmocka_run_group_tests_name("assembly", tests, NULL, NULL);
}
