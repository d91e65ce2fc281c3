// SPDX-License-Identifier: Apache-2.0
/* commands - the rows of the command table, one file each. */
#ifndef SONDE_TOOLS_COMMANDS_H
#define SONDE_TOOLS_COMMANDS_H

#include "tools/sonde/cli.h"

extern const struct sonde_command sonde_trace_command;
extern const struct sonde_command sonde_top_command;
extern const struct sonde_command sonde_conns_command;
extern const struct sonde_command sonde_map_command;
extern const struct sonde_command sonde_services_command;
extern const struct sonde_command sonde_limit_command;
extern const struct sonde_command sonde_status_command;
extern const struct sonde_command sonde_doctor_command;
extern const struct sonde_command sonde_config_command;
extern const struct sonde_command sonde_completion_command;
extern const struct sonde_command sonde_version_command;
extern const struct sonde_command sonde_help_command;

/* Help for one command, or for all when NULL. Returns the exit code. */
int sonde_help_print(const struct sonde_command *command);

#endif
