// SPDX-License-Identifier: Apache-2.0
/* sonde - the command that people type. */
#include <locale.h>
#include <signal.h>

#include "tools/sonde/cli.h"

int main(int argc, char **argv)
{
	setlocale(LC_CTYPE, "");
	/* A reader that has gone is an error of write(), not our end. */
	signal(SIGPIPE, SIG_IGN);
	return sonde_cli_main(argc, argv);
}
