// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/daemon/control_access.h"

static void role_follows_user_and_groups(void **state)
{
	static const struct sonde_access_groups groups = { 10, 20, 30 };
	static const gid_t view[] = { 5, 10 }, trace[] = { 10, 20 }, control[] = { 1, 2, 30 };
	static const gid_t nobody[] = { SONDE_NO_GROUP, 11 };
	static const struct {
		struct sonde_peer peer;
		enum sonde_access access;
	} samples[] = {
		{ { 0, 0, NULL, 0 }, SONDE_ACCESS_CONTROL },
		{ { 900, 900, NULL, 0 }, SONDE_ACCESS_CONTROL }, /* the daemon's own user */
		{ { 1000, 1000, NULL, 0 }, SONDE_ACCESS_NONE },
		{ { 1000, 10, NULL, 0 }, SONDE_ACCESS_VIEW },
		{ { 1000, 20, NULL, 0 }, SONDE_ACCESS_TRACE },
		{ { 1000, 30, NULL, 0 }, SONDE_ACCESS_CONTROL },
		{ { 1000, 1000, view, 2 }, SONDE_ACCESS_VIEW },
		{ { 1000, 1000, trace, 2 }, SONDE_ACCESS_TRACE },
		{ { 1000, 1000, control, 3 }, SONDE_ACCESS_CONTROL },
		{ { 1000, 1000, control, 2 }, SONDE_ACCESS_NONE },
		{ { 1000, 1000, nobody, 2 }, SONDE_ACCESS_NONE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
		assert_int_equal(sonde_access_of(&samples[i].peer, 900, &groups),
				 samples[i].access);
}

static void absent_group_gives_nobody_a_role(void **state)
{
	static const struct sonde_access_groups groups = { SONDE_NO_GROUP, SONDE_NO_GROUP,
							   SONDE_NO_GROUP };
	const struct sonde_peer peer = { 1000, SONDE_NO_GROUP, NULL, 0 };

	(void)state;
	assert_int_equal(sonde_access_of(&peer, 900, &groups), SONDE_ACCESS_NONE);
}

static void write_file(char *path, const char *text)
{
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void names_are_looked_up_in_the_file(void **state)
{
	char path[] = "/tmp/sonde-group-XXXXXX", view[] = "watchers", trace[] = "77", none[] = "";
	char missing_name[] = "nobodies";
	struct sonde_config config = { .control = { view, trace, none } };
	struct sonde_access_groups groups = { 1, 2, 3 };
	const char *missing = "unset";

	(void)state;
	write_file(path, "root:x:0:\nwatchers:x:50:ann,bob\nnotwatchers:x:51:\n");
	assert_int_equal(sonde_access_groups_find(path, &config, &groups, &missing), 0);
	assert_int_equal(groups.view, 50);
	assert_int_equal(groups.trace, 77);
	assert_int_equal(groups.control, SONDE_NO_GROUP);
	assert_null(missing);
	config.control.control_group = missing_name;
	assert_int_equal(sonde_access_groups_find(path, &config, &groups, &missing), 0);
	assert_ptr_equal(missing, missing_name);
	unlink(path);
	groups.view = 4;
	assert_int_equal(sonde_access_groups_find(path, &config, &groups, &missing), -ENOENT);
	assert_int_equal(groups.view, 4);
}

static void own_socket_has_every_right(void **state)
{
	struct sonde_access_groups groups = { SONDE_NO_GROUP, SONDE_NO_GROUP, SONDE_NO_GROUP };
	enum sonde_access access = SONDE_ACCESS_NONE;
	uid_t uid = 1;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(sonde_access_of_socket(fds[0], &groups, &access, &uid), 0);
	assert_int_equal(access, SONDE_ACCESS_CONTROL);
	assert_int_equal(uid, geteuid());
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(sonde_access_of_socket(fds[0], &groups, &access, &uid), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(role_follows_user_and_groups),
		cmocka_unit_test(absent_group_gives_nobody_a_role),
		cmocka_unit_test(names_are_looked_up_in_the_file),
		cmocka_unit_test(own_socket_has_every_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
