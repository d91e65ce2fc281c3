// SPDX-License-Identifier: Apache-2.0
/* sonded - argv, then config, then run. What the daemon does begins in agent/daemon/broker.h. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/core/log.h"
#include "agent/daemon/broker.h"
#include "agent/daemon/config.h"
#include "agent/daemon/metrics_man.h"
#include "agent/daemon/worker.h"

enum { EXIT_USAGE = 2, EXIT_PRIVILEGE = 4 };
enum { OPT_CHECK = 256, OPT_MAN, OPT_MAN_METRICS, OPT_WORKER };

static const char usage[] =
	"usage: sonded [--config FILE] [--run-dir DIR] [--http ADDR:PORT] [--check]\n"
	"              [--version] [--help]\n"
	"\n"
	"  --config FILE     configuration (default: " SONDE_CONFIG_PATH ", if it is there)\n"
	"  --run-dir DIR     lock and control socket (default: /run/sonde)\n"
	"  --http ADDR:PORT  serve /metrics here instead of listen.http\n"
	"  --check           say what is wrong with the configuration, start nothing\n"
	"  --version         print the version\n"
	"  --help            print this\n";

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "run-dir", required_argument, NULL, 'r' },
	{ "http", required_argument, NULL, 'a' },
	{ "check", no_argument, NULL, OPT_CHECK },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ "man-config", no_argument, NULL, OPT_MAN },
	{ "man-metrics", no_argument, NULL, OPT_MAN_METRICS },
	{ "worker", required_argument, NULL, OPT_WORKER },
	{ 0 },
};

static int print_man(void (*write)(struct sonde_buf *out))
{
	struct sonde_buf page;

	sonde_buf_init(&page, SONDE_CONFIG_TEXT_MAX);
	write(&page);
	fwrite(page.ptr, 1, page.len, stdout);
	sonde_buf_fini(&page);
	return fflush(stdout) ? 1 : 0;
}

/* The file that was named must be there; the default one may be missing. */
static int load_config(struct sonde_broker_options *o, struct sonde_config *config)
{
	const char *path = o->config_path ? o->config_path : SONDE_CONFIG_PATH;
	struct sonde_buf errors;
	int err;

	sonde_buf_init(&errors, 1 << 18);
	if (!o->config_path && access(path, F_OK)) {
		err = sonde_config_defaults(config);
	} else {
		o->config_path = path;
		err = sonde_config_load(path, config, &errors);
	}
	if (!err && o->http)
		err = sonde_config_set(config, "listen.http", sonde_slice_str(o->http), "--http",
				       &errors);
	if (err)
		fprintf(stderr, "%.*s", (int)errors.len, (const char *)errors.ptr);
	sonde_buf_fini(&errors);
	return err;
}

int main(int argc, char **argv)
{
	struct sonde_broker_options o = { .run_dir = "/run/sonde" };
	struct sonde_config config;
	bool check = false;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			o.config_path = optarg;
			break;
		case 'r':
			o.run_dir = optarg;
			break;
		case 'a':
			o.http = optarg;
			break;
		case OPT_CHECK:
			check = true;
			break;
		case OPT_MAN:
			return print_man(sonde_config_man);
		case OPT_MAN_METRICS:
			return print_man(sonde_metrics_man);
		case OPT_WORKER:
			return sonde_worker_run(atoi(optarg));
		case 'V':
			printf("sonded " SONDE_VERSION "\n");
			return 0;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "sonded: %s: no argument was expected\n%s", argv[optind], usage);
		return EXIT_USAGE;
	}
	if (load_config(&o, &config))
		return 1;
	if (check) {
		printf("sonded: %s: good\n", o.config_path ? o.config_path : "built-in defaults");
		sonde_config_fini(&config);
		return 0;
	}
	sonde_log_init("sonded", sonde_log_level_of(config.daemon.log_level));
	if (geteuid() != 0) {
		sonde_log(SONDE_LOG_ERROR, "start: needs root; try: sudo sonded");
		return EXIT_PRIVILEGE;
	}
	return sonde_broker_run(&o, &config);
}
